//! Rules on one segment's names.
//!
//! Names are for ever: there is no delete, and some of the service's calls drop a bad name without a word. So
//! a name that the documentation refuses is never sent.

use super::super::declaration::{Declaration, PathElement};
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::is_unprintable;
use std::collections::BTreeSet;

/// The service's limit, in characters.
const LENGTH_LIMIT: usize = 200;
/// The characters that the service's guide forbids.
const FORBIDDEN: &str = ":|*?\\<>=$\"";
/// The name that the service keeps for everyone.
const RESERVED_NAME: &str = "All Users";

pub(super) const EMPTY_NAME: Rule = Rule {
    code: "SEG020",
    name: "name-empty",
    explanation: "The service refuses a name that is empty or holds only spaces. Give the segment a name that \
                  says who is in it.",
    check: RuleCheck::Segment(empty_name),
};

pub(super) const NAME_TOO_LONG: Rule = Rule {
    code: "SEG021",
    name: "name-too-long",
    explanation: "A name has at most 200 characters at the service. Shorten it; `description` has room for the rest.",
    check: RuleCheck::Segment(name_too_long),
};

pub(super) const FORBIDDEN_CHARACTER: Rule = Rule {
    code: "SEG022",
    name: "name-forbidden-character",
    explanation: "The service forbids : | * ? \\ < > = $ and double quotes in names, and control characters \
                  cannot be seen. Some of its calls accept such a name and drop it silently, so it is never \
                  sent. Use other characters.",
    check: RuleCheck::Segment(forbidden_character),
};

pub(super) const LEADING_DOT: Rule = Rule {
    code: "SEG023",
    name: "name-leading-dot",
    explanation: "The service forbids names that start with a dot. Start with another character.",
    check: RuleCheck::Segment(leading_dot),
};

pub(super) const RESERVED_NAME_USED: Rule = Rule {
    code: "SEG024",
    name: "name-reserved",
    explanation: "`All Users` is the service's own name for everyone. Choose another; to refer to everyone, use \
                  the id `moe_all_users`.",
    check: RuleCheck::Segment(reserved_name),
};

pub(super) const AMPERSAND: Rule = Rule {
    code: "SEG025",
    name: "name-ampersand",
    explanation: "The service refuses names with HTML characters and does not document which these are; `&` may \
                  be one. Write \"and\" to be sure.",
    check: RuleCheck::Segment(ampersand),
};

pub(super) const OUTER_SPACES: Rule = Rule {
    code: "SEG026",
    name: "name-outer-spaces",
    explanation: "Spaces before or after a name cannot be seen, and whether the service drops them when it \
                  compares names is not documented. Leave them out.",
    check: RuleCheck::Segment(outer_spaces),
};

pub(super) const REDUNDANT_PREVIOUS_NAME: Rule = Rule {
    code: "SEG027",
    name: "previous-name-idle",
    explanation: "An entry of `previous_names` that is the segment's name of today, or stands there twice, \
                  changes nothing. It is probably a slip: write the name that the segment had before.",
    check: RuleCheck::Segment(redundant_previous_name),
};

pub(super) const INVISIBLE_CHARACTER: Rule = Rule {
    code: "SEG039",
    name: "name-invisible-character",
    explanation: "A character that cannot be seen, or that looks like a space and is none, makes two names of what \
                  people read as one; it mostly comes from copied text. Write the name without it. Joiners and \
                  variants that scripts and emoji need behind their letters are no such characters.",
    check: RuleCheck::Segment(invisible_character),
};

fn name(declaration: &Declaration) -> &str {
    declaration.segment.name.as_str()
}

fn empty_name(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    if name(declaration).trim().is_empty() {
        let message = "the segment has no name";
        let place = declaration.name_location();
        found.push(
            Diagnostic::error(EMPTY_NAME.code, message, place, "empty or only spaces")
                .with_help("write a name that says who is in the segment"),
        );
    }
}

fn name_too_long(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let length = name(declaration).chars().count();
    if length > LENGTH_LIMIT {
        let message = format!("the name has {length} characters; the limit is {LENGTH_LIMIT}");
        let label = format!("{} too many", length - LENGTH_LIMIT);
        found.push(
            Diagnostic::error(NAME_TOO_LONG.code, message, declaration.name_location(), label)
                .with_help("shorten it; `description` has room for the rest"),
        );
    }
}

fn forbidden_character(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let name = name(declaration);
    let is_forbidden = |next: char| FORBIDDEN.contains(next) || next.is_control();
    let bad: Vec<String> = name
        .chars()
        .enumerate()
        .filter(|(_, next)| is_forbidden(*next))
        .map(|(index, next)| format!("{} at character {}", describe_character(next), index + 1))
        .collect();
    if bad.is_empty() {
        return;
    }
    let message = format!(
        "the name `{}` holds a character that names must not hold",
        name.escape_debug()
    );
    found.push(
        Diagnostic::error(
            FORBIDDEN_CHARACTER.code,
            message,
            declaration.name_location(),
            bad.join(", "),
        )
        .with_note("forbidden are : | * ? \\ < > = $ \" and control characters"),
    );
}

fn describe_character(character: char) -> String {
    if character.is_control() {
        format!("the control character U+{:04X}", u32::from(character))
    } else {
        format!("`{character}`")
    }
}

fn invisible_character(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let name = name(declaration);
    let mut hidden = Vec::new();
    let mut clean = String::new();
    for (index, next) in name.chars().enumerate() {
        // Control characters are forbidden, and told of by the rule that says so.
        if !next.is_control() && is_unprintable(next, clean.chars().next_back()) {
            hidden.push(format!("U+{:04X} at character {}", u32::from(next), index + 1));
        } else {
            clean.push(next);
        }
    }
    if hidden.is_empty() || clean.trim().is_empty() {
        return;
    }
    let message = format!("the name `{clean}` holds a character that cannot be seen");
    found.push(
        Diagnostic::warning(
            INVISIBLE_CHARACTER.code,
            message,
            declaration.name_location(),
            hidden.join(", "),
        )
        .with_help("type the name anew: such characters come from copied text")
        .with_help(format!(
            "if the live segment is called so, as one that was pulled is: leave the name, or write the clean one and \
             keep this one in `previous_names: [\"{}\"]`",
            escaped(name)
        )),
    );
}

/// A name as it can stand in double quotes of YAML, which knows such escapes.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for next in name.chars() {
        match u32::from(next) {
            _ if matches!(next, '"' | '\\') => text.extend(['\\', next]),
            code if is_unprintable(next, None) => text.push_str(&format!("\\U{code:08X}")),
            _ => text.push(next),
        }
    }
    text
}

fn leading_dot(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let name = name(declaration);
    if name.starts_with('.') {
        let message = format!("the name `{name}` starts with a dot");
        found.push(
            Diagnostic::error(
                LEADING_DOT.code,
                message,
                declaration.name_location(),
                "starts with `.`",
            )
            .with_help("start with another character"),
        );
    }
}

fn reserved_name(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    if is_reserved(name(declaration)) {
        let message = format!("the name `{RESERVED_NAME}` is reserved by the service");
        found.push(
            Diagnostic::error(
                RESERVED_NAME_USED.code,
                message,
                declaration.name_location(),
                "reserved",
            )
            .with_help("choose another name; to refer to everyone, use the id `moe_all_users`"),
        );
    }
}

/// Whether `name` is the service's own name for everyone.
pub(super) fn is_reserved(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case(RESERVED_NAME)
}

fn ampersand(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let name = name(declaration);
    if name.contains('&') {
        let message = format!("the service may refuse the `&` in the name `{name}`");
        found.push(
            Diagnostic::warning(
                AMPERSAND.code,
                message,
                declaration.name_location(),
                "may count as HTML",
            )
            .with_help("write \"and\" to be sure"),
        );
    }
}

fn outer_spaces(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let name = name(declaration);
    let trimmed = name.trim();
    if trimmed.len() != name.len() && !trimmed.is_empty() {
        let message = format!("the name `{name}` starts or ends with a space");
        found.push(
            Diagnostic::warning(
                OUTER_SPACES.code,
                message,
                declaration.name_location(),
                "outer spaces",
            )
            .with_note("whether the service drops them when it compares names is not documented")
            .with_help(format!("write `{trimmed}`")),
        );
    }
}

fn redundant_previous_name(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    for (index, previous) in declaration.segment.previous_names.iter().enumerate() {
        let label = if *previous == declaration.segment.name {
            "the name of today"
        } else if seen.insert(previous) {
            continue;
        } else {
            "stands here twice"
        };
        let place =
            declaration.location_of(&[PathElement::Field("previous_names"), PathElement::Item(index)]);
        let message = format!("the previous name `{previous}` changes nothing");
        found.push(
            Diagnostic::warning(REDUNDANT_PREVIOUS_NAME.code, message, place, label)
                .with_help("write the name that the segment had before, or leave the entry out"),
        );
    }
}
