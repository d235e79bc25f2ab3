import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.utils.Utils;

/**
 * Prints the partitions that Kafka's own producer chooses for a list of keys: the table that `domain` is held against.
 *
 *     java -Dfile.encoding=UTF-8 -cp "$(./kafka libs)/*" tests/kafka/PartitionTable.java >domain/tests/partitions.txt
 */
class PartitionTable {
    static final int[] PARTITIONS = {1, 3, 12, 100};
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] arguments) {
        OUT.println("# The partitions that Kafka's own producer chooses, made by tests/kafka/PartitionTable.java. Columns: murmur2,");
        OUT.println("# the partition of 1, 3, 12 and 100, how often the text is repeated, the text in quotes: together they are the key.");
        for (String key : keys()) {
            row(1, key);
        }
        // 1 KiB, 64 KiB, and one byte less and more, for the tails of long keys.
        for (int times : new int[] {63, 64, 65, 4095, 4096, 4097}) {
            row(times, "0123456789abcdef");
            row(times, "0123456789abcde");
        }
        row(1024, "Größe");
        row(16384, "订");
    }

    static List<String> keys() {
        List<String> keys = new ArrayList<>();
        String ascii = "user-0.A_9zQ7kTm";
        // Every tail of a block of four, several times: 0 to 16 bytes.
        for (int length = 0; length <= ascii.length(); length++) {
            keys.add(ascii.substring(0, length));
        }
        keys.addAll(List.of("1", "12", "67890", "11111", "12345", "alice", "bob", "_control", "_refused"));
        keys.addAll(List.of("AAPL", "MSFT", "BRK.B", "BTC", " ", "  ", "a b", "~~~~"));
        keys.addAll(List.of("0b9f6f0e-3c1c-4a7e-9a55-0d3a5c1d2e3f", "a".repeat(64)));
        // Bytes above 127, which Java's are signed for: 1 to 4 bytes a character.
        keys.addAll(List.of("ä", "ß", "Größe", "Müller", "Übergrößenträger", "naïve", "é", "e\u0301"));
        keys.addAll(List.of("订单", "用户", "贵州茅台", "日本", "한국", "Ω", "я", "ش"));
        keys.addAll(List.of("🚀", "📈📉", "👩‍👩‍👧", "x🚀", "xy🚀", "xyz🚀", "\uffff", "¿", "÷ÿ"));
        return keys;
    }

    static void row(int times, String text) {
        byte[] key = text.repeat(times).getBytes(StandardCharsets.UTF_8);
        StringBuilder row = new StringBuilder().append(Utils.murmur2(key));
        for (int partitions : PARTITIONS) {
            row.append(' ').append(BuiltInPartitioner.partitionForKey(key, partitions));
        }
        OUT.println(row.append(' ').append(times).append(" \"").append(text).append('"'));
    }
}
