//! How structs and enums are read from a document: one macro for each shape.

/// Reads a struct from a table whose keys are its fields: `table!(Type { a, b = default })`, or
/// `table!(Type defaults { a, b })` where every absent field has the value it has in `Type::default()`.
macro_rules! table {
    ($type:ident defaults { $($field:ident),* $(,)? }) => {
        $crate::config::shapes::table!($type { $($field = <$type>::default().$field),* });
    };
    ($type:ident { $($field:ident $(= $default:expr)?),* $(,)? }) => {
        impl $crate::config::document::Read for $type {
            const EXPECTED: &'static str = "a table";
            fn read(at: &$crate::config::document::At<'_>) -> Self {
                let table = at.table(&[$(stringify!($field)),*]);
                Self { $($field: $crate::config::shapes::field!(table, $field $(, $default)?)),* }
            }
        }
    };
}

/// Reads an enum from a table with a `kind`: `kinds!(Type { "kind" => Variant { a, b }, … })`.
macro_rules! kinds {
    ($type:ident { $first:literal => $default:ident { $($a:ident $(= $fallback:expr)?),* }
        $(, $kind:literal => $variant:ident { $($b:ident $(= $otherwise:expr)?),* })* $(,)? }) => {
        impl $crate::config::document::Read for $type {
            const EXPECTED: &'static str = "a table with a `kind`";
            fn read(at: &$crate::config::document::At<'_>) -> Self {
                let (kind, table) = at.tagged("kind", &[$first $(, $kind)*]);
                match kind {
                    $($kind => {
                        table.only(&["kind" $(, stringify!($b))*]);
                        Self::$variant { $($b: $crate::config::shapes::field!(table, $b $(, $otherwise)?)),* }
                    })*
                    _ => {
                        table.only(&["kind" $(, stringify!($a))*]);
                        Self::$default { $($a: $crate::config::shapes::field!(table, $a $(, $fallback)?)),* }
                    }
                }
            }
        }
    };
}

/// Reads an enum without data from one of its words: `words!(Type { "word" => Variant, … })`.
macro_rules! words {
    ($type:ident { $first:literal => $default:ident $(, $word:literal => $variant:ident)* $(,)? }) => {
        impl $crate::config::document::Read for $type {
            const EXPECTED: &'static str = concat!("\"", $first, "\"" $(, " or \"", $word, "\"")*);
            fn read(at: &$crate::config::document::At<'_>) -> Self {
                let word = at.parsed(Self::EXPECTED, |text| match text {
                    $first => Some(Self::$default),
                    $($word => Some(Self::$variant),)*
                    _ => None,
                });
                word.unwrap_or(Self::$default)
            }
        }
    };
}

macro_rules! field {
    ($table:ident, $field:ident) => {
        $table.field(stringify!($field))
    };
    ($table:ident, $field:ident, $default:expr) => {
        $table.field_or(stringify!($field), || $default)
    };
}

pub(crate) use {field, kinds, table, words};
