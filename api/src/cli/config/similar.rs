//! What somebody who mistyped a name may have meant.

/// From so alike on (Jaro and Winkler) a name is worth telling.
const ALIKE: f64 = 0.8;

/// The known name that is most like this one, if any is.
pub(in crate::cli) fn similar<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = known.into_iter().map(|one| (strsim::jaro_winkler(name, one), one));
    alike.filter(|(alike, _)| *alike > ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, one)| one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognized_and_another_word_is_not() {
        let known = ["listen", "log", "data", "partitions"];
        assert_eq!(similar("lissten", known), Some("listen"));
        assert_eq!(similar("partition", known), Some("partitions"));
        assert_eq!(similar("colour", known), None);
    }
}
