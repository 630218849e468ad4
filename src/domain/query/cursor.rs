//! A place in a text that is being read, and what to say when something else should be there.

/// Why a text is no expression of the language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: expected {expected}, found {found}: {fix}")]
pub struct Invalid {
    /// Which character of the text, from 1; one more than the text has where it ends too early.
    pub position: usize,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// How to mend it.
    pub fix: String,
}

/// Longest piece of the text that a message repeats, in characters.
const SHOWN: usize = 24;

#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, rest: text }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes `piece` if it is next.
    pub(super) fn eat(&mut self, piece: &str) -> bool {
        self.rest.strip_prefix(piece).is_some_and(|rest| {
            self.rest = rest;
            true
        })
    }

    /// Takes characters as long as `wanted` likes them; it is told what follows, too.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char, &str) -> bool) -> &'a str {
        let rest = self.rest;
        let end = rest
            .char_indices()
            .find(|(at, next)| !wanted(*next, rest.get(*at..).unwrap_or_default()))
            .map_or(rest.len(), |(at, _)| at);
        let (taken, left) = rest.split_at(end);
        self.rest = left;
        taken
    }

    /// Takes `word` if it is next as a whole word, in small letters or capitals.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let mut ahead = *self;
        let taken = ahead.take_while(is_word);
        let is_it = taken.eq_ignore_ascii_case(word);
        if is_it {
            *self = ahead;
        }
        is_it
    }

    /// That something else should be here.
    pub(super) fn expected(&self, expected: &str, fix: &str) -> Invalid {
        let piece: String = self
            .rest
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .chars()
            .take(SHOWN)
            .collect();
        let found = if self.rest.trim_start().is_empty() {
            "the end".to_owned()
        } else {
            format!("'{piece}'")
        };
        Invalid {
            position: self.text.chars().count() - self.rest.chars().count() + 1,
            expected: expected.to_owned(),
            found,
            fix: fix.to_owned(),
        }
    }
}

/// Characters of subjects and of the words of the language.
pub(super) fn is_word(next: char, _: &str) -> bool {
    next.is_ascii_alphanumeric() || "_.:/\\-".contains(next)
}
