//! Keywords such as data types and units.

use super::{Synonyms, folded};

/// The keyword that a word of another tool stands for. `kind` is the name of the set of keywords.
#[must_use]
pub(in crate::config) fn keyword_for<'a>(kind: &str, written: &str, valid: &[&'a str]) -> Option<&'a str> {
    let word = folded(written);
    let (_, groups) = SYNONYMS.iter().find(|(known, _)| *known == kind)?;
    let (keyword, _) = groups.iter().find(|(_, words)| words.contains(&word.as_str()))?;
    valid.iter().find(|valid| *valid == keyword).copied()
}

/// Words without case and separators.
const SYNONYMS: &[(&str, &[Synonyms])] = &[
    (
        "data type",
        &[
            (
                "datetime",
                &["date", "timestamp", "time", "day", "timestamptz", "datetimestamp"],
            ),
            (
                "double",
                &[
                    "number", "num", "int", "int32", "int64", "integer", "float", "float64", "numeric",
                    "decimal", "long", "bigint", "smallint", "real", "currency",
                ],
            ),
            (
                "string",
                &[
                    "text", "str", "varchar", "char", "email", "uuid", "enum", "varchar2", "nvarchar",
                ],
            ),
            ("bool", &["boolean", "bit", "flag", "truefalse"]),
            (
                "array_string",
                &[
                    "array",
                    "list",
                    "strings",
                    "string[]",
                    "stringarray",
                    "liststring",
                    "array[string]",
                    "array<string>",
                    "list<string>",
                    "arraytext",
                    "stringlist",
                    "set",
                ],
            ),
            (
                "array_double",
                &[
                    "numbers",
                    "number[]",
                    "double[]",
                    "int[]",
                    "doublearray",
                    "numberarray",
                    "arraynumber",
                    "arrayint",
                    "arrayinteger",
                    "arrayfloat",
                    "array<double>",
                    "list<double>",
                    "array<int>",
                ],
            ),
            (
                "geopoint",
                &[
                    "geo",
                    "location",
                    "point",
                    "latlong",
                    "latlng",
                    "coordinates",
                    "geolocation",
                ],
            ),
            (
                "object",
                &["map", "dict", "json", "struct", "record", "hash", "dictionary"],
            ),
            (
                "array_object",
                &[
                    "objects",
                    "object[]",
                    "objectarray",
                    "arrayjson",
                    "arrayofobjects",
                    "listobject",
                ],
            ),
        ],
    ),
    (
        "filter type",
        &[
            (
                "actions",
                &[
                    "event",
                    "events",
                    "useraction",
                    "useractions",
                    "userevent",
                    "userevents",
                    "behavior",
                    "behaviour",
                    "track",
                ],
            ),
            (
                "user_attributes",
                &[
                    "attribute",
                    "attributes",
                    "user",
                    "userproperty",
                    "userproperties",
                    "property",
                    "properties",
                    "trait",
                    "traits",
                    "profile",
                    "userprofile",
                    "customattribute",
                    "customattributes",
                ],
            ),
            (
                "custom_segments",
                &[
                    "segment",
                    "segments",
                    "cohort",
                    "cohorts",
                    "list",
                    "reference",
                    "ref",
                    "audience",
                ],
            ),
            (
                "nested_filters",
                &[
                    "group",
                    "groups",
                    "nested",
                    "nestedfilter",
                    "filters",
                    "and",
                    "or",
                    "filtergroup",
                ],
            ),
            (
                "psychographic_event",
                &["affinity", "psychographic", "psychographics", "preference"],
            ),
        ],
    ),
    (
        "group operator",
        &[
            (
                "and",
                &["&&", "&", "all", "every", "intersection", "intersect", "must"],
            ),
            (
                "or",
                &["||", "|", "any", "some", "either", "union", "should", "anyof"],
            ),
        ],
    ),
    (
        "time range type",
        &[
            (
                "inTheLast",
                &[
                    "last",
                    "inlast",
                    "past",
                    "inpast",
                    "within",
                    "withinlast",
                    "withinthelast",
                    "relative",
                    "rolling",
                    "previous",
                    "ago",
                ],
            ),
            (
                "after",
                &[
                    "since",
                    "from",
                    "later",
                    "laterthan",
                    ">",
                    "gt",
                    "onorafter",
                    ">=",
                ],
            ),
            ("before", &["until", "till", "earlier", "earlierthan", "<", "lt"]),
            (
                "between",
                &[
                    "range",
                    "daterange",
                    "dates",
                    "absolute",
                    "fromto",
                    "custom",
                    "fixed",
                ],
            ),
            ("on", &["date", "day", "is", "=", "==", "equals"]),
        ],
    ),
    (
        "period unit",
        &[
            ("hours", &["h", "hr", "hrs"]),
            ("days", &["d", "daily"]),
            ("weeks", &["w", "wk", "wks"]),
            ("months", &["mo", "mon", "mth", "mths"]),
        ],
    ),
    (
        "execution type",
        &[
            (
                "atleast",
                &[
                    ">=",
                    ">",
                    "gte",
                    "gt",
                    "ge",
                    "min",
                    "minimum",
                    "ormore",
                    "any",
                    "once",
                    "morethan",
                    "greaterthan",
                ],
            ),
            ("exactly", &["=", "==", "eq", "exact", "equals", "equal", "is"]),
            (
                "atmost",
                &[
                    "<=", "<", "lte", "lt", "le", "max", "maximum", "orless", "lessthan", "upto",
                ],
            ),
            ("firstTime", &["first", "new", "initial"]),
            ("lastTime", &["last", "latest", "recent", "mostrecent"]),
        ],
    ),
    (
        "value type",
        &[
            ("absolute", &["fixed", "date", "exact", "static"]),
            ("relative_past", &["relative", "past", "ago", "before", "last"]),
            ("relative_future", &["future", "fromnow", "next", "after"]),
        ],
    ),
    (
        "extract type",
        &[
            (
                "default_option_date",
                &["date", "default", "datetime", "none", "full"],
            ),
            ("time_of_the_day", &["hour", "time", "hourofday"]),
            ("day_of_the_week", &["weekday", "dow", "week"]),
            ("day_of_the_month", &["day", "dom", "dateofmonth"]),
            ("month_of_the_year", &["month"]),
            (
                "date_month_of_the_year",
                &["birthday", "anniversary", "monthday", "dayofyear", "daymonth"],
            ),
        ],
    ),
    (
        "aggregation type",
        &[
            ("sum", &["total", "add"]),
            ("avg", &["average", "mean"]),
            ("min", &["minimum", "smallest", "lowest"]),
            ("max", &["maximum", "largest", "highest"]),
        ],
    ),
    (
        "array filter type",
        &[
            ("any_of", &["any", "some", "or", "atleastone", "oneof"]),
            ("all_of", &["all", "every", "and"]),
        ],
    ),
    (
        "operator type",
        &[
            ("predominant", &["mostly", "most", "predominantly", "usually"]),
            ("minimum", &["min", "atleast"]),
            ("top", &["highest", "first"]),
            ("bottom", &["lowest", "last"]),
        ],
    ),
    (
        "lifecycle",
        &[
            (
                "active",
                &[
                    "enabled",
                    "enable",
                    "on",
                    "live",
                    "present",
                    "unarchived",
                    "published",
                ],
            ),
            (
                "archived",
                &[
                    "archive", "deleted", "delete", "disabled", "inactive", "removed", "absent", "off",
                    "paused",
                ],
            ),
        ],
    ),
    (
        "kind",
        &[
            (
                "filter",
                &[
                    "filters", "dynamic", "custom", "rule", "rules", "query", "segment",
                ],
            ),
            ("file", &["csv", "list", "static", "upload", "users"]),
            ("cohort", &["partner", "sync", "audience"]),
        ],
    ),
    (
        "data center",
        &[
            ("01", &["1", "dc1", "dc01", "dashboard01"]),
            ("02", &["2", "dc2", "dc02", "eu", "dashboard02"]),
            ("03", &["3", "dc3", "dc03", "in", "india", "dashboard03"]),
            ("04", &["4", "dc4", "dc04", "dashboard04"]),
            ("05", &["5", "dc5", "dc05", "sg", "singapore", "dashboard05"]),
            ("06", &["6", "dc6", "dc06", "id", "indonesia", "dashboard06"]),
            ("101", &["dc101", "dashboard101"]),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synonyms_are_folded_and_lead_to_one_word() {
        for (kind, groups) in SYNONYMS {
            let mut seen = std::collections::BTreeSet::new();
            for word in groups.iter().flat_map(|(_, words)| *words) {
                assert_eq!(word, &folded(word));
                assert!(seen.insert(word), "{kind}: {word} twice");
            }
        }
        let valid = ["string", "double", "datetime", "bool"];
        assert_eq!(keyword_for("data type", "Integer", &valid), Some("double"));
        assert_eq!(keyword_for("data type", "DATE", &valid), Some("datetime"));
        assert_eq!(keyword_for("data type", "array", &valid), None);
        assert_eq!(keyword_for("group operator", "&&", &["and", "or"]), Some("and"));
    }
}
