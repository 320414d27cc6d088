//! Paths that begin with `~`, the home directory of the user.

/// The part below the home directory of a path such as `~/lists`.
#[must_use]
pub fn below_home(path: &str) -> Option<&str> {
    if path == "~" {
        Some("")
    } else {
        path.strip_prefix("~/")
    }
}

/// Whether a path begins with the home directory of another user, such as `~ada/lists`. segctl does not look it up.
#[must_use]
pub fn is_home_of_other(path: &str) -> bool {
    path.starts_with('~') && below_home(path).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_leading_tilde_is_a_home_directory() {
        for (path, below, is_other) in [
            ("~/lists/a.csv", Some("lists/a.csv"), false),
            ("~", Some(""), false),
            ("~/", Some(""), false),
            ("~ada/lists", None, true),
            ("~a.csv", None, true),
            ("./~/lists", None, false),
            ("lists/~", None, false),
            ("", None, false),
        ] {
            assert_eq!(
                (below_home(path), is_home_of_other(path)),
                (below, is_other),
                "{path}"
            );
        }
    }
}
