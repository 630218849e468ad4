//! Regular expressions that cannot run away: their time grows with the text, and their size is bounded.

use std::hash::{Hash, Hasher};

use regex::bytes::{Regex, RegexBuilder};

/// Largest compiled pattern, in bytes.
const MAXIMUM_SIZE: usize = 1 << 18;

/// A regular expression that must match a whole value. What Java has and this lacks are references to groups and looking
/// around.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Reads a regular expression.
    ///
    /// # Errors
    /// Says in a few words why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        // Alone first: joined to the anchors, `a)(b` would be one.
        compile(text)?;
        let regex = compile(&format!(r"\A(?:{text})\z"))?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches all of `value`.
    pub fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value.as_bytes())
    }
}

fn compile(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .unicode(false)
        .size_limit(MAXIMUM_SIZE)
        .nest_limit(32)
        .build()
        .map_err(|error| {
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        })
}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}
