//! Words that other tools use, with the words of the API. Pure: messages suggest them, nothing accepts them.

/// What the API has for an operator of SQL, JSON, pandas or another product; for the help of a diagnostic.
///
/// `valid` are the operators that the data type has. `value` is the value beside the operator as it is written, if it
/// is a single one.
#[must_use]
pub(super) fn operator_help(written: &str, valid: &[&str], value: Option<&str>) -> Option<String> {
    let (meaning, negated) = meaning(written)?;
    if meaning == Meaning::Regex {
        return Some("MoEngage has no regular expressions: use `contains`, or a prefix or suffix".to_owned());
    }
    let (candidates, inverted) = candidates(meaning);
    let operator = candidates.iter().find(|word| valid.contains(word))?;
    let takes_list = *operator == "in" || operator.ends_with("InTheFollowing");
    let mut conditions = Vec::new();
    if let Some(value) = value.filter(|_| takes_list) {
        conditions.push(format!("`value: [{value}]`"));
    }
    if negated != inverted {
        conditions.push("`negate: true`".to_owned());
    }
    let mut help = format!("use `operator: {operator}`");
    if !conditions.is_empty() {
        help = format!("{help} with {}", conditions.join(" and "));
    }
    if inverted && !negated {
        help.push_str("; users without the attribute match too");
    }
    Some(help)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Is,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Regex,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Between,
    Exists,
    On,
    InTheLast,
    InTheNext,
    Today,
}

/// The operators that can have this meaning, best first, and whether they have it only when they are negated.
fn candidates(meaning: Meaning) -> (&'static [&'static str], bool) {
    match meaning {
        Meaning::Is => (&["is", "on", "in"], false),
        Meaning::In => (&["in", "is"], false),
        Meaning::Contains => (&["contains", "containsInTheFollowing"], false),
        Meaning::StartsWith => (&["startsWith", "startsWithInTheFollowing"], false),
        Meaning::EndsWith => (&["endsWith", "endsWithInTheFollowing"], false),
        Meaning::Regex => (&[], false),
        Meaning::Greater => (&["greaterThan", "after"], false),
        Meaning::GreaterOrEqual => (&["lessThan", "before"], true),
        Meaning::Less => (&["lessThan", "before"], false),
        Meaning::LessOrEqual => (&["greaterThan", "after"], true),
        Meaning::Between => (&["between"], false),
        Meaning::Exists => (&["exists"], false),
        Meaning::On => (&["on", "is", "in"], false),
        Meaning::InTheLast => (&["inTheLast"], false),
        Meaning::InTheNext => (&["inTheNext"], false),
        Meaning::Today => (&["today"], false),
    }
}

/// The meaning of an operator, and whether it is negated: `doesNotContain`, `!=`, `not in`.
fn meaning(written: &str) -> Option<(Meaning, bool)> {
    let word = folded(written);
    if let Some(meaning) = plain_meaning(&word) {
        return Some((meaning, false));
    }
    if NEGATED_EXISTS.contains(&word.as_str()) {
        return Some((Meaning::Exists, true));
    }
    NEGATIONS.iter().find_map(|negation| {
        let rest = word.strip_prefix(negation)?;
        let meaning = if rest.is_empty() {
            Meaning::Is
        } else {
            plain_meaning(rest)?
        };
        Some((meaning, true))
    })
}

/// Longer ones first.
const NEGATIONS: [&str; 12] = [
    "isnot", "doesnot", "hasnot", "arenot", "doesnt", "isnt", "not", "non", "!", "<>", "ne", "n",
];

const NEGATED_EXISTS: [&str; 11] = [
    "isnull", "null", "none", "empty", "isempty", "missing", "ismissing", "absent", "unset", "isunknown", "unknown",
];

fn plain_meaning(word: &str) -> Option<Meaning> {
    Some(match word {
        "is" | "=" | "==" | "===" | "eq" | "equal" | "equals" | "equalto" | "equalsto" | "isequal"
        | "isequalto" | "exactly" | "matchesexactly" | "same" | "sameas" => Meaning::Is,
        "in" | "isin" | "any" | "anyof" | "oneof" | "isoneof" | "isanyof" | "inlist" | "inset" => Meaning::In,
        "contain" | "contains" | "like" | "ilike" | "include" | "includes" | "has" | "substring"
        | "icontains" | "contains_any" | "containsany" | "containsanyof" => Meaning::Contains,
        "startswith" | "startwith" | "beginswith" | "beginwith" | "startingwith" | "prefix" | "hasprefix" => {
            Meaning::StartsWith
        }
        "endswith" | "endwith" | "endingwith" | "suffix" | "hassuffix" => Meaning::EndsWith,
        "regex" | "regexp" | "rlike" | "~" | "=~" | "~*" | "match" | "matches" | "matchesregex" | "glob" => {
            Meaning::Regex
        }
        ">" | "gt" | "greater" | "isgreaterthan" | "greaterthan" | "more" | "morethan" | "above" | "over"
        | "after" | "isafter" | "later" | "laterthan" | "since" | "largerthan" | "higherthan" => Meaning::Greater,
        ">=" | "=>" | "≥" | "gte" | "ge" | "atleast" | "min" | "minimum" | "greaterorequal" | "greaterthanequal"
        | "greaterthanorequal" | "greaterthanorequalto" | "greaterthanorequals" | "greaterequal" | "onorafter" => {
            Meaning::GreaterOrEqual
        }
        "<" | "lt" | "less" | "islessthan" | "lessthan" | "below" | "under" | "before" | "isbefore" | "earlier"
        | "earlierthan" | "until" | "smallerthan" | "lowerthan" | "fewerthan" => Meaning::Less,
        "<=" | "=<" | "≤" | "lte" | "le" | "atmost" | "max" | "maximum" | "lessorequal" | "lessthanequal"
        | "lessthanorequal" | "lessthanorequalto" | "lessthanorequals" | "lessequal" | "onorbefore" => {
            Meaning::LessOrEqual
        }
        "between" | "range" | "inrange" | "isbetween" | "inbetween" | ".." | "within" => Meaning::Between,
        "exist" | "exists" | "isset" | "set" | "present" | "ispresent" | "isnotnull" | "notnull" | "notempty"
        | "isnotempty" | "hasvalue" | "isknown" | "known" | "defined" | "isdefined" | "hasanyvalue" => {
            Meaning::Exists
        }
        "on" | "date" | "ison" => Meaning::On,
        "last" | "inlast" | "inthelast" | "past" | "inpast" | "withinlast" | "withinthelast" | "newerthan"
        | "lessthandaysago" => Meaning::InTheLast,
        "next" | "innext" | "inthenext" | "withinnext" | "withinthenext" | "upcoming" => Meaning::InTheNext,
        "today" | "istoday" | "now" => Meaning::Today,
        _ => return None,
    })
}

/// The keyword that a word of another tool stands for. `kind` is the name of the set of keywords.
#[must_use]
pub(super) fn keyword_for<'a>(kind: &str, written: &str, valid: &[&'a str]) -> Option<&'a str> {
    let word = folded(written);
    let (_, groups) = SYNONYMS.iter().find(|(known, _)| *known == kind)?;
    let (keyword, _) = groups.iter().find(|(_, words)| words.contains(&word.as_str()))?;
    valid.iter().find(|valid| *valid == keyword).copied()
}

type Synonyms = (&'static str, &'static [&'static str]);

/// Words without case and separators.
const SYNONYMS: &[(&str, &[Synonyms])] = &[
    (
        "data type",
        &[
            ("datetime", &["date", "timestamp", "time", "day", "timestamptz", "datetimestamp"]),
            (
                "double",
                &[
                    "number", "num", "int", "int32", "int64", "integer", "float", "float64", "numeric", "decimal",
                    "long", "bigint", "smallint", "real", "currency",
                ],
            ),
            ("string", &["text", "str", "varchar", "char", "email", "uuid", "enum", "varchar2", "nvarchar"]),
            ("bool", &["boolean", "bit", "flag", "truefalse"]),
            (
                "array_string",
                &[
                    "array", "list", "strings", "string[]", "stringarray", "liststring", "array[string]",
                    "array<string>", "list<string>", "arraytext", "stringlist", "set",
                ],
            ),
            (
                "array_double",
                &[
                    "numbers", "number[]", "double[]", "int[]", "doublearray", "numberarray", "arraynumber",
                    "arrayint", "arrayinteger", "arrayfloat", "array<double>", "list<double>", "array<int>",
                ],
            ),
            ("geopoint", &["geo", "location", "point", "latlong", "latlng", "coordinates", "geolocation"]),
            ("object", &["map", "dict", "json", "struct", "record", "hash", "dictionary"]),
            ("array_object", &["objects", "object[]", "objectarray", "arrayjson", "arrayofobjects", "listobject"]),
        ],
    ),
    (
        "filter type",
        &[
            ("actions", &["event", "events", "useraction", "useractions", "userevent", "userevents", "behavior", "behaviour", "track"]),
            (
                "user_attributes",
                &[
                    "attribute", "attributes", "user", "userproperty", "userproperties", "property", "properties",
                    "trait", "traits", "profile", "userprofile", "customattribute", "customattributes",
                ],
            ),
            ("custom_segments", &["segment", "segments", "cohort", "cohorts", "list", "reference", "ref", "audience"]),
            ("nested_filters", &["group", "groups", "nested", "nestedfilter", "filters", "and", "or", "filtergroup"]),
            ("psychographic_event", &["affinity", "psychographic", "psychographics", "preference"]),
        ],
    ),
    (
        "group operator",
        &[
            ("and", &["&&", "&", "all", "every", "intersection", "intersect", "must"]),
            ("or", &["||", "|", "any", "some", "either", "union", "should", "anyof"]),
        ],
    ),
    (
        "time range type",
        &[
            ("inTheLast", &["last", "inlast", "past", "inpast", "within", "withinlast", "withinthelast", "relative", "rolling", "previous", "ago"]),
            ("after", &["since", "from", "later", "laterthan", ">", "gt", "onorafter", ">="]),
            ("before", &["until", "till", "earlier", "earlierthan", "<", "lt"]),
            ("between", &["range", "daterange", "dates", "absolute", "fromto", "custom", "fixed"]),
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
            ("atleast", &[">=", ">", "gte", "gt", "ge", "min", "minimum", "ormore", "any", "once", "morethan", "greaterthan"]),
            ("exactly", &["=", "==", "eq", "exact", "equals", "equal", "is"]),
            ("atmost", &["<=", "<", "lte", "lt", "le", "max", "maximum", "orless", "lessthan", "upto"]),
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
            ("default_option_date", &["date", "default", "datetime", "none", "full"]),
            ("time_of_the_day", &["hour", "time", "hourofday"]),
            ("day_of_the_week", &["weekday", "dow", "week"]),
            ("day_of_the_month", &["day", "dom", "dateofmonth"]),
            ("month_of_the_year", &["month"]),
            ("date_month_of_the_year", &["birthday", "anniversary", "monthday", "dayofyear", "daymonth"]),
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
            ("active", &["enabled", "enable", "on", "live", "present", "unarchived", "published"]),
            ("archived", &["archive", "deleted", "delete", "disabled", "inactive", "removed", "absent", "off", "paused"]),
        ],
    ),
    (
        "kind",
        &[
            ("filter", &["filters", "dynamic", "custom", "rule", "rules", "query", "segment"]),
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

/// The field that a field of another tool stands for, if it is one of `absent`.
#[must_use]
pub(super) fn field_for<'a>(written: &str, absent: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = folded(written);
    let mut absent = absent.into_iter();
    absent.find(|key| {
        let synonyms = FIELD_SYNONYMS.iter().find(|(known, _)| known == key);
        synonyms.is_some_and(|(_, words)| words.contains(&word.as_str()))
    })
}

/// Fields without case and separators. A word that is itself a field of the API stands only where it is not valid.
const FIELD_SYNONYMS: &[Synonyms] = &[
    ("name", &["title", "segmentname", "label", "attribute", "attributename", "attr", "property", "field", "column"]),
    ("action_name", &["event", "eventname", "name", "action", "eventtype"]),
    ("attribute_name", &["name", "attribute", "attr", "property", "field"]),
    ("filter_operator", &["operator", "op", "combine", "join", "logic", "logicaloperator", "condition", "match"]),
    ("filters", &["conditions", "rules", "clauses", "criteria"]),
    ("filter_type", &["type", "kind"]),
    ("data_type", &["type", "datatypes", "valuetype", "dtype"]),
    ("operator", &["op", "comparison", "filteroperator", "condition"]),
    ("value", &["values", "val", "equals"]),
    ("value1", &["value2", "max", "upper", "tovalue", "endvalue"]),
    ("primary_time_range", &["timerange", "daterange", "period", "timewindow", "window", "time", "within"]),
    ("period_unit", &["unit", "units", "period", "timeunit"]),
    ("executed", &["performed", "did", "hasdone", "done", "occurred"]),
    ("execution", &["frequency", "occurrences", "occurrence"]),
    ("included_filters", &["filters", "include", "includes", "included", "definition", "conditions", "rules", "query", "where"]),
    ("excluded_filters", &["exclude", "excludes", "excluded", "exclusions"]),
    ("attributes", &["filters", "properties", "eventattributes", "conditions", "where"]),
    ("case_sensitive", &["casesensitivity", "matchcase"]),
    ("negate", &["not", "negated", "invert", "inverted", "exclude"]),
    ("lifecycle", &["status", "state", "archived"]),
    ("labels", &["tags", "label"]),
    ("owner", &["team", "author", "createdby"]),
    ("description", &["desc", "comment", "notes", "note"]),
    ("previous_names", &["previousname", "oldname", "oldnames", "formername", "renamedfrom", "movedfrom", "aliases"]),
    ("members", &["users", "list", "values"]),
    ("users", &["members", "list", "file"]),
    ("expires_in_days", &["expiry", "expires", "expiresin", "ttl", "expirydays"]),
    ("notify", &["emails", "email", "notifications"]),
    ("api_key", &["apisecret", "key", "secret", "password", "token"]),
    ("workspace_id", &["appid", "workspace", "username", "user"]),
    ("db_name", &["database", "db", "databasename"]),
    ("data_center", &["datacentre", "dc", "region", "cluster"]),
    ("endpoint", &["url", "baseurl", "host", "apiurl"]),
    ("segments", &["files", "paths", "segment", "sources"]),
    ("workspaces", &["environments", "envs", "targets", "workspace"]),
    ("default_workspace", &["default", "defaultenvironment"]),
    ("time_zone", &["tz", "zone"]),
];

/// Without case, spaces and separators.
fn folded(word: &str) -> String {
    word.chars()
        .filter(|next| !matches!(next, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRING: [&str; 7] = [
        "in",
        "containsInTheFollowing",
        "startsWithInTheFollowing",
        "endsWithInTheFollowing",
        "contains",
        "is",
        "exists",
    ];
    const DOUBLE: [&str; 5] = ["in", "lessThan", "greaterThan", "between", "exists"];
    const DATETIME: [&str; 9] = [
        "on", "between", "before", "after", "inTheLast", "inTheNext", "today", "is", "exists",
    ];

    #[test]
    fn operators_of_other_tools_get_the_operator_of_the_api() {
        let table: [(&str, &[&str], Option<&str>, Option<&str>); 30] = [
            ("isNot", &STRING, None, Some("use `operator: is` with `negate: true`")),
            ("!=", &STRING, None, Some("use `operator: is` with `negate: true`")),
            ("<>", &STRING, None, Some("use `operator: is` with `negate: true`")),
            ("not_equals", &STRING, None, Some("use `operator: is` with `negate: true`")),
            ("neq", &STRING, None, Some("use `operator: is` with `negate: true`")),
            ("NOT IN", &STRING, Some("a"), Some("use `operator: in` with `value: [a]` and `negate: true`")),
            ("nin", &STRING, None, Some("use `operator: in` with `negate: true`")),
            ("doesNotContain", &STRING, None, Some("use `operator: contains` with `negate: true`")),
            ("not like", &STRING, None, Some("use `operator: contains` with `negate: true`")),
            ("LIKE", &STRING, None, Some("use `operator: contains`")),
            ("startsWith", &STRING, Some("a"), Some("use `operator: startsWithInTheFollowing` with `value: [a]`")),
            ("regex", &STRING, None, Some("MoEngage has no regular expressions: use `contains`, or a prefix or suffix")),
            ("=", &STRING, None, Some("use `operator: is`")),
            ("equals", &STRING, None, Some("use `operator: is`")),
            ("is null", &STRING, None, Some("use `operator: exists` with `negate: true`")),
            ("isNotNull", &STRING, None, Some("use `operator: exists`")),
            ("not exists", &STRING, None, Some("use `operator: exists` with `negate: true`")),
            ("is", &DOUBLE, Some("5"), Some("use `operator: in` with `value: [5]`")),
            ("==", &DOUBLE, Some("5"), Some("use `operator: in` with `value: [5]`")),
            ("!=", &DOUBLE, Some("5"), Some("use `operator: in` with `value: [5]` and `negate: true`")),
            (">", &DOUBLE, Some("5"), Some("use `operator: greaterThan`")),
            (
                ">=",
                &DOUBLE,
                Some("5"),
                Some("use `operator: lessThan` with `negate: true`; users without the attribute match too"),
            ),
            (
                "lte",
                &DOUBLE,
                None,
                Some("use `operator: greaterThan` with `negate: true`; users without the attribute match too"),
            ),
            ("not >=", &DOUBLE, None, Some("use `operator: lessThan`")),
            (">", &DATETIME, None, Some("use `operator: after`")),
            (
                "onOrAfter",
                &DATETIME,
                None,
                Some("use `operator: before` with `negate: true`; users without the attribute match too"),
            ),
            ("last", &DATETIME, None, Some("use `operator: inTheLast`")),
            ("equals", &DATETIME, None, Some("use `operator: is`")),
            ("contains", &DOUBLE, None, None),
            ("purchase", &STRING, None, None),
        ];
        for (written, valid, value, expected) in table {
            assert_eq!(operator_help(written, valid, value).as_deref(), expected, "{written}");
        }
    }

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
        assert_eq!(field_for("eventName", ["action_name", "executed"]), Some("action_name"));
        assert_eq!(field_for("eventName", ["executed"]), None);
    }
}
