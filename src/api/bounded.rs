//! Strings, lists and maps that carry their largest size in their type.
//!
//! The bound goes into the schema, where the API server enforces it and needs it to estimate what rules cost. Reading
//! JSON does not enforce it: what is stored has passed the schema.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A string of at most `N` characters.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Str<const N: usize>(String);

impl<const N: usize> Str<N> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text cut to the bound, for texts of our own making that may be too long.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        Self(text.chars().take(N).collect())
    }
}

impl<const N: usize> Deref for Str<N> {
    type Target = String;
    fn deref(&self) -> &String {
        &self.0
    }
}

impl<const N: usize> DerefMut for Str<N> {
    fn deref_mut(&mut self) -> &mut String {
        &mut self.0
    }
}

impl<const N: usize> From<String> for Str<N> {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl<const N: usize> From<&str> for Str<N> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<const N: usize> From<Str<N>> for String {
    fn from(text: Str<N>) -> Self {
        text.0
    }
}

impl<const N: usize> AsRef<str> for Str<N> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> Borrow<str> for Str<N> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> PartialEq<str> for Str<N> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl<const N: usize> PartialEq<&str> for Str<N> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl<const N: usize> fmt::Debug for Str<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const N: usize> fmt::Display for Str<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const N: usize> JsonSchema for Str<N> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Str{N}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": N})
    }
}

/// Takes the description from the schema of an enum, because it would replace the one of the field that has the enum.
pub fn without_description(schema: &mut Schema) {
    schema.remove("description");
}

/// A list of at most `N` items.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct List<T, const N: usize>(Vec<T>);

impl<T, const N: usize> List<T, N> {
    /// Whether there are no items; by name, for `skip_serializing_if`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first `N` items, for lists of our own making that may be too long.
    #[must_use]
    pub fn cut(items: impl IntoIterator<Item = T>) -> Self {
        items.into_iter().take(N).collect()
    }
}

impl<T, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = Vec<T>;
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T, const N: usize> DerefMut for List<T, N> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<T, const N: usize> From<Vec<T>> for List<T, N> {
    fn from(items: Vec<T>) -> Self {
        Self(items)
    }
}

impl<T, const N: usize> From<List<T, N>> for Vec<T> {
    fn from(items: List<T, N>) -> Self {
        items.0
    }
}

impl<T, const N: usize> FromIterator<T> for List<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<T, const N: usize> IntoIterator for List<T, N> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a List<T, N> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for List<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: JsonSchema, const N: usize> JsonSchema for List<T, N> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("List{N}Of{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "maxItems": N, "items": generator.subschema_for::<T>()})
    }
}

/// A map from text to values with at most `N` keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Map<V, const N: usize>(BTreeMap<String, V>);

impl<V, const N: usize> Map<V, N> {
    /// Whether there are no entries; by name, for `skip_serializing_if`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V, const N: usize> Default for Map<V, N> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V, const N: usize> Deref for Map<V, N> {
    type Target = BTreeMap<String, V>;
    fn deref(&self) -> &BTreeMap<String, V> {
        &self.0
    }
}

impl<V, const N: usize> DerefMut for Map<V, N> {
    fn deref_mut(&mut self) -> &mut BTreeMap<String, V> {
        &mut self.0
    }
}

impl<V, const N: usize> From<BTreeMap<String, V>> for Map<V, N> {
    fn from(entries: BTreeMap<String, V>) -> Self {
        Self(entries)
    }
}

impl<V, const N: usize> From<Map<V, N>> for BTreeMap<String, V> {
    fn from(entries: Map<V, N>) -> Self {
        entries.0
    }
}

impl<V, const N: usize> FromIterator<(String, V)> for Map<V, N> {
    fn from_iter<I: IntoIterator<Item = (String, V)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<'a, V, const N: usize> IntoIterator for &'a Map<V, N> {
    type Item = (&'a String, &'a V);
    type IntoIter = std::collections::btree_map::Iter<'a, String, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<V: fmt::Debug, const N: usize> fmt::Debug for Map<V, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<V: JsonSchema, const N: usize> JsonSchema for Map<V, N> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Map{N}Of{}", V::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": N,
            "additionalProperties": generator.subschema_for::<V>(),
        })
    }
}
