//! What a rebuild may hold in memory.

/// What is held beside rows and records fetched ahead: records handed to the folds, sled's cache while rows are written, the
/// program itself.
const BESIDE: u64 = 608 << 20;
/// Records fetched ahead on Kafka, where there is room. With less of them a rebuild waits for the broker.
const FETCHED_AHEAD_MAX: u64 = 256 << 20;
/// However little there is, a view holds so much before it moves rows into files.
const LEAST: u64 = 8 << 20;

/// What a rebuild may hold where nothing else is set.
pub(crate) const MEMORY_LIMIT: u64 = 4 << 30;
/// Less than this can't be kept.
pub(crate) const MEMORY_LIMIT_MIN: u64 = 640 << 20;

/// Bytes of records that librdkafka may fetch ahead of a rebuild under that limit.
pub(crate) fn fetched_ahead(limit: u64) -> u64 {
    (limit / 16).min(FETCHED_AHEAD_MAX)
}

/// Bytes of rows that each of so many views may hold in memory while it is folded, under that limit for all of them. As much is
/// held again of records until the fold commits, up to twice as much of users or lists; and while rows are moved into a file they
/// are there twice.
pub(crate) fn budget(limit: u64, views: usize) -> usize {
    let views = u64::try_from(views).unwrap_or(u64::MAX).max(1);
    // librdkafka takes about twice the bytes of what it has fetched.
    let beside = fetched_ahead(limit).saturating_mul(2).saturating_add(BESIDE);
    let each = limit.saturating_sub(beside) / 3 / views;
    usize::try_from(each.max(LEAST)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_a_third_of_what_is_left_by_everything_else() {
        assert_eq!(budget(1 << 30, 1), 96 << 20);
        assert_eq!(budget(1 << 30, 2), 48 << 20);
        assert_eq!(budget(MEMORY_LIMIT, 2), 496 << 20);
        assert_eq!([0, MEMORY_LIMIT_MIN].map(|limit| budget(limit, 3)), [8 << 20, 8 << 20]);
        assert_eq!([1 << 30, MEMORY_LIMIT, 1 << 40].map(fetched_ahead), [64 << 20, 256 << 20, 256 << 20]);
    }
}
