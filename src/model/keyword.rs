//! Closed sets of API keywords: an enum, the text of each value, and the list of all values.

pub trait Keyword: Copy + Eq + 'static {
    /// The set's name in messages, such as "operator".
    const DISPLAY_NAME: &'static str;
    /// In the order of the API's documentation.
    const ALL: &'static [Self];

    fn as_str(self) -> &'static str;

    fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|word| word.as_str() == text)
    }
}

/// Declares an enum of keywords. Each variant's text appears once.
macro_rules! keywords {
    (
        $(#[$meta:meta])*
        pub enum $name:ident($what:literal) {
            $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $crate::model::Keyword for $name {
            const DISPLAY_NAME: &'static str = $what;
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($crate::model::Keyword::as_str(*self))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                $crate::model::Keyword::from_text(&text)
                    .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a valid {}", $what)))
            }
        }
    };
}

pub(crate) use keywords;
