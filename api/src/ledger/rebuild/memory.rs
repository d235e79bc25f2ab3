//! What a rebuild may hold in memory.

/// What is held beside rows: records fetched ahead (256 MiB on Kafka), sled's cache while rows are written, the program itself.
const BESIDE_ROWS: u64 = 512 << 20;
/// However little there is, a view holds so much before it moves rows into files.
const LEAST: u64 = 8 << 20;

/// What a rebuild may hold where nothing else is set.
pub(crate) const MEMORY_LIMIT: u64 = 4 << 30;
/// Less than this can't be kept.
pub(crate) const MEMORY_LIMIT_MIN: u64 = 640 << 20;

/// Bytes of rows that each of so many views may hold in memory while it is folded, under that limit for all of them. As much is
/// held again of records until the fold commits, up to twice as much of users or lists; and while rows are moved into a file they
/// are there twice.
pub(crate) fn budget(limit: u64, views: usize) -> usize {
    let views = u64::try_from(views).unwrap_or(u64::MAX).max(1);
    let each = limit.saturating_sub(BESIDE_ROWS) / 3 / views;
    usize::try_from(each.max(LEAST)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_a_third_of_what_is_left_by_everything_else() {
        assert_eq!(budget(2 << 30, 1), 512 << 20);
        assert_eq!(budget(2 << 30, 2), 256 << 20);
        assert_eq!(budget(0, 3), 8 << 20);
        assert!(budget(MEMORY_LIMIT, 3) > 384 << 20 && budget(MEMORY_LIMIT_MIN, 3) > 12 << 20);
    }
}
