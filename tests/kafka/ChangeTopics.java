import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Makes topics wrong, as somebody might with Kafka's own tools; one start of Java does all of it.
 *
 *     java -cp "$(./kafka libs)/*" tests/kafka/ChangeTopics.java BROKERS [set TOPIC NAME VALUE | partitions TOPIC COUNT
 *         | make TOPIC COUNT | delete TOPIC | cut TOPIC | before TOPIC OFFSET]…
 */
class ChangeTopics {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        try (Admin admin = Admin.create(properties)) {
            int at = 1;
            while (at < arguments.length) {
                String topic = arguments[at + 1];
                switch (arguments[at]) {
                    case "set" -> {
                        ConfigEntry entry = new ConfigEntry(arguments[at + 2], arguments[at + 3]);
                        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
                        AlterConfigOp set = new AlterConfigOp(entry, AlterConfigOp.OpType.SET);
                        admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
                        at += 4;
                    }
                    case "partitions" -> {
                        NewPartitions count = NewPartitions.increaseTo(Integer.parseInt(arguments[at + 2]));
                        admin.createPartitions(Map.of(topic, count)).all().get();
                        at += 3;
                    }
                    case "make" -> {
                        NewTopic made = new NewTopic(topic, Integer.parseInt(arguments[at + 2]), (short) 1);
                        admin.createTopics(List.of(made)).all().get();
                        at += 3;
                    }
                    case "delete" -> {
                        admin.deleteTopics(List.of(topic)).all().get();
                        at += 2;
                    }
                    case "cut" -> {
                        cut(admin, properties, topic);
                        at += 2;
                    }
                    case "before" -> {
                        before(admin, topic, Long.parseLong(arguments[at + 2]));
                        at += 3;
                    }
                    default -> throw new IllegalArgumentException(arguments[at]);
                }
            }
        }
    }

    /** Deletes the records below that offset in every partition that reaches it. */
    static void before(Admin admin, String topic, long offset) throws Exception {
        Map<TopicPartition, OffsetSpec> latest = new HashMap<>();
        for (var partition : admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions()) {
            latest.put(new TopicPartition(topic, partition.partition()), OffsetSpec.latest());
        }
        Map<TopicPartition, RecordsToDelete> deleted = new HashMap<>();
        admin.listOffsets(latest).all().get().forEach((partition, end) -> {
            if (end.offset() > offset) {
                deleted.put(partition, RecordsToDelete.beforeOffset(offset));
            }
        });
        admin.deleteRecords(deleted).all().get();
    }

    /** Writes two records to the topic's first partition and deletes the first of them. */
    static void cut(Admin admin, Properties properties, String topic) throws Exception {
        ByteArraySerializer bytes = new ByteArraySerializer();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, bytes, bytes)) {
            producer.send(new ProducerRecord<>(topic, 0, null, new byte[] {1})).get();
            producer.send(new ProducerRecord<>(topic, 0, null, new byte[] {2})).get();
        }
        admin.deleteRecords(Map.of(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(1))).all().get();
    }
}
