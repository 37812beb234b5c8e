//! JSON that stands in a row because somebody put it there.
//!
//! `jsonb` keeps what this program does not read: numbers of a hundred thousand digits, thousands of levels. A row with
//! such a value concerns its own job, and must not keep others from being read beside it.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::{Decode, Postgres, Type};

/// A value of a column of JSON, as far as it can be read.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// It can.
    Json(Value),
    /// Why it cannot.
    Unreadable(String),
}

impl Given {
    /// The value, or why it cannot be read.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn value(&self) -> Result<&Value, &str> {
        match self {
            Self::Json(value) => Ok(value),
            Self::Unreadable(reason) => Err(reason),
        }
    }
}

impl Given {
    /// A member of the value, if that is an object that can be read.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.value().ok()?.get(key)
    }
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(value) => value.serialize(serializer),
            Self::Unreadable(reason) => json!({"unreadable": reason}).serialize(serializer),
        }
    }
}

impl Type<Postgres> for Given {
    fn type_info() -> PgTypeInfo {
        <Value as Type<Postgres>>::type_info()
    }

    fn compatible(found: &PgTypeInfo) -> bool {
        <Value as Type<Postgres>>::compatible(found)
    }
}

impl<'r> Decode<'r, Postgres> for Given {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(match <Value as Decode<'r, Postgres>>::decode(value) {
            Ok(value) => Self::Json(value),
            Err(error) => Self::Unreadable(error.to_string()),
        })
    }
}
