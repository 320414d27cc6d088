//! Operators of SQL, JSON, pandas and other products.

use super::folded;

/// What the API has for an operator of SQL, JSON, pandas or another product; for the help of a diagnostic.
///
/// `valid` are the operators that the data type has. `value` is the value beside the operator as it is written, if it
/// is a single one.
#[must_use]
pub(in crate::config) fn operator_help(written: &str, valid: &[&str], value: Option<&str>) -> Option<String> {
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
    "isnull",
    "null",
    "none",
    "empty",
    "isempty",
    "missing",
    "ismissing",
    "absent",
    "unset",
    "isunknown",
    "unknown",
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
        | "after" | "isafter" | "later" | "laterthan" | "since" | "largerthan" | "higherthan" => {
            Meaning::Greater
        }
        ">="
        | "=>"
        | "≥"
        | "gte"
        | "ge"
        | "atleast"
        | "min"
        | "minimum"
        | "greaterorequal"
        | "greaterthanequal"
        | "greaterthanorequal"
        | "greaterthanorequalto"
        | "greaterthanorequals"
        | "greaterequal"
        | "onorafter" => Meaning::GreaterOrEqual,
        "<" | "lt" | "less" | "islessthan" | "lessthan" | "below" | "under" | "before" | "isbefore"
        | "earlier" | "earlierthan" | "until" | "smallerthan" | "lowerthan" | "fewerthan" => Meaning::Less,
        "<=" | "=<" | "≤" | "lte" | "le" | "atmost" | "max" | "maximum" | "lessorequal" | "lessthanequal"
        | "lessthanorequal" | "lessthanorequalto" | "lessthanorequals" | "lessequal" | "onorbefore" => {
            Meaning::LessOrEqual
        }
        "between" | "range" | "inrange" | "isbetween" | "inbetween" | ".." | "within" => Meaning::Between,
        "exist" | "exists" | "isset" | "set" | "present" | "ispresent" | "isnotnull" | "notnull"
        | "notempty" | "isnotempty" | "hasvalue" | "isknown" | "known" | "defined" | "isdefined"
        | "hasanyvalue" => Meaning::Exists,
        "on" | "date" | "ison" => Meaning::On,
        "last" | "inlast" | "inthelast" | "past" | "inpast" | "withinlast" | "withinthelast"
        | "newerthan" | "lessthandaysago" => Meaning::InTheLast,
        "next" | "innext" | "inthenext" | "withinnext" | "withinthenext" | "upcoming" => Meaning::InTheNext,
        "today" | "istoday" | "now" => Meaning::Today,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operator, the operators of the data type, its value, and the help.
    type Row = (
        &'static str,
        &'static [&'static str],
        Option<&'static str>,
        Option<&'static str>,
    );

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
        "on",
        "between",
        "before",
        "after",
        "inTheLast",
        "inTheNext",
        "today",
        "is",
        "exists",
    ];

    #[test]
    fn operators_of_other_tools_get_the_operator_of_the_api() {
        let table: [Row; 30] = [
            (
                "isNot",
                &STRING,
                None,
                Some("use `operator: is` with `negate: true`"),
            ),
            (
                "!=",
                &STRING,
                None,
                Some("use `operator: is` with `negate: true`"),
            ),
            (
                "<>",
                &STRING,
                None,
                Some("use `operator: is` with `negate: true`"),
            ),
            (
                "not_equals",
                &STRING,
                None,
                Some("use `operator: is` with `negate: true`"),
            ),
            (
                "neq",
                &STRING,
                None,
                Some("use `operator: is` with `negate: true`"),
            ),
            (
                "NOT IN",
                &STRING,
                Some("a"),
                Some("use `operator: in` with `value: [a]` and `negate: true`"),
            ),
            (
                "nin",
                &STRING,
                None,
                Some("use `operator: in` with `negate: true`"),
            ),
            (
                "doesNotContain",
                &STRING,
                None,
                Some("use `operator: contains` with `negate: true`"),
            ),
            (
                "not like",
                &STRING,
                None,
                Some("use `operator: contains` with `negate: true`"),
            ),
            ("LIKE", &STRING, None, Some("use `operator: contains`")),
            (
                "startsWith",
                &STRING,
                Some("a"),
                Some("use `operator: startsWithInTheFollowing` with `value: [a]`"),
            ),
            (
                "regex",
                &STRING,
                None,
                Some("MoEngage has no regular expressions: use `contains`, or a prefix or suffix"),
            ),
            ("=", &STRING, None, Some("use `operator: is`")),
            ("equals", &STRING, None, Some("use `operator: is`")),
            (
                "is null",
                &STRING,
                None,
                Some("use `operator: exists` with `negate: true`"),
            ),
            ("isNotNull", &STRING, None, Some("use `operator: exists`")),
            (
                "not exists",
                &STRING,
                None,
                Some("use `operator: exists` with `negate: true`"),
            ),
            (
                "is",
                &DOUBLE,
                Some("5"),
                Some("use `operator: in` with `value: [5]`"),
            ),
            (
                "==",
                &DOUBLE,
                Some("5"),
                Some("use `operator: in` with `value: [5]`"),
            ),
            (
                "!=",
                &DOUBLE,
                Some("5"),
                Some("use `operator: in` with `value: [5]` and `negate: true`"),
            ),
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
                Some(
                    "use `operator: greaterThan` with `negate: true`; users without the attribute match too",
                ),
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
            assert_eq!(
                operator_help(written, valid, value).as_deref(),
                expected,
                "{written}"
            );
        }
    }
}
