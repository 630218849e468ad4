//! Values that nobody may see but the container that they are for.

use std::fmt;

/// A value that never shows itself: not in a log, a status, an event or the message of a failed test. Whoever needs it
/// has to [`expose`](Secret::expose) it, which is easy to search for.
///
/// It is neither `Display` nor serialisable; its `Debug` says only that there is a value, so that what holds one can
/// still be shown.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for whoever hands it on to where it belongs.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_its_value() {
        let hidden = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{:?}", Some(&hidden)), "Some(Secret)");
        assert_eq!(hidden.expose(), "hunter2");
    }
}
