//! What AWS adds when it describes a task definition or a service, so that its answers can be applied as they are.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::bounded::Str;

/// An attribute that an instance must have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequiredAttribute {
    /// Name of the attribute.
    pub name: Str<128>,
    /// Its value, where one is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Str<128>>,
    /// Kind of what has the attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_type: Option<Str<64>>,
    /// ARN of what has the attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<Str<2048>>,
}

/// Something of any shape, such as a time, which some tools of AWS write as a text and some as a number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Described(Value);

impl JsonSchema for Described {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Described".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-preserve-unknown-fields": true})
    }
}
