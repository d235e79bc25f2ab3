//! Ids of messages: for every channel of the stream the place of its newest message, in the channels' own order.

use std::fmt::Write;

use orderledger_domain::position::{Position, TopicPartition};

/// The last message of a channel; none before its first.
pub(super) type Place = Option<Position>;

/// The id that says these places, each in its channel's partition. Empty if no channel has one.
pub(super) fn id_of(homes: &[Option<TopicPartition>], places: &[Place]) -> String {
    let mut text = String::new();
    for (home, place) in homes.iter().zip(places) {
        let Some(home) = home else { continue };
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a string never fails.
        let _ = match place {
            Some(place) => write!(text, "{comma}{place}"),
            None => write!(text, "{comma}{home}@-"),
        };
    }
    text
}

/// The places that an id of just these channels says; none if it is no such id.
pub(crate) fn read_places(homes: &[Option<TopicPartition>], id: &str) -> Option<Vec<Place>> {
    let mut texts = id.split(',');
    let mut places = Vec::new();
    for home in homes {
        let Some(home) = home else {
            places.push(None);
            continue;
        };
        let text = texts.next()?;
        if text.strip_suffix("@-").is_some_and(|named| named == home.to_string()) {
            places.push(None);
        } else {
            let place: Position = text.parse().ok()?;
            places.push((place.topic_partition() == *home).then_some(Some(place))?);
        }
    }
    texts.next().is_none().then_some(places)
}

#[cfg(test)]
mod tests {
    use orderledger_domain::position::Topic;

    use super::*;

    #[test]
    fn an_id_reads_back_for_the_same_channels_only() {
        let (orders, trades) = (Topic::Orders.at(3), Topic::Trades.at(1));
        let homes = [None, Some(orders), Some(trades), Some(trades)];
        let places = [None, Some(orders.offset(1842)), None, Some(trades.offset(7))];
        let id = id_of(&homes, &places);
        assert_eq!(id, "orders-3@1842,trades-1@-,trades-1@7");
        assert_eq!(read_places(&homes, &id), Some(places.to_vec()));
        for bad in ["", "orders-3@1842", "orders-3@1842,trades-1@-,trades-2@7", "orders-3@x,trades-1@-,trades-1@7"] {
            assert_eq!(read_places(&homes, bad), None, "{bad}");
        }
        assert_eq!(read_places(&homes, &format!("{id},trades-1@7")), None);
        assert_eq!(read_places(&[Some(orders)], "orders-4@-"), None);
    }
}
