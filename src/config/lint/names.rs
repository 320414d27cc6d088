//! Rules on the names of one segment.
//!
//! A name is permanent: the API cannot delete segments, and some endpoints silently drop an invalid name. So
//! segctl never sends a name that the documentation forbids.

use super::super::declaration::Declaration;
use super::super::declaration::PathElement::{Field, Item};
use super::texts::{describe_hidden, hidden_characters, report_invisible, report_outer_spaces};
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::is_unprintable;
use std::collections::BTreeSet;

/// MoEngage's limit in characters.
const LENGTH_LIMIT: usize = 200;
/// From MoEngage's user guide.
const FORBIDDEN: &str = ":|*?\\<>=$\"";

pub(super) const EMPTY_NAME: Rule = Rule {
    code: "SEG020",
    name: "name-empty",
    explanation: "MoEngage rejects an empty name. Use a name that describes the members of the segment.",
    check: RuleCheck::Segment(empty_name),
};

pub(super) const NAME_TOO_LONG: Rule = Rule {
    code: "SEG021",
    name: "name-too-long",
    explanation: "MoEngage accepts at most 200 characters. Shorten the name, and put the details into \
                  `description`.",
    check: RuleCheck::Segment(name_too_long),
};

pub(super) const FORBIDDEN_CHARACTER: Rule = Rule {
    code: "SEG022",
    name: "name-forbidden-character",
    explanation: "MoEngage forbids : | * ? \\ < > = $ and double quotes in names. Some endpoints accept such a \
                  name and silently drop it, so segctl never sends it. Use other characters.",
    check: RuleCheck::Segment(forbidden_character),
};

pub(super) const LEADING_DOT: Rule = Rule {
    code: "SEG023",
    name: "name-leading-dot",
    explanation: "MoEngage forbids names that start with a dot. Start with another character.",
    check: RuleCheck::Segment(leading_dot),
};

pub(super) const RESERVED_NAME_USED: Rule = Rule {
    code: "SEG024",
    name: "name-reserved",
    explanation: "MoEngage reserves the name `All Users`. To refer to all users, use the id `moe_all_users`.",
    check: RuleCheck::Segment(reserved_name),
};

pub(super) const AMPERSAND: Rule = Rule {
    code: "SEG025",
    name: "name-ampersand",
    explanation: "MoEngage rejects names with HTML characters, and `&` may be one. Write \"and\" to be safe.",
    check: RuleCheck::Segment(ampersand),
};

pub(super) const OUTER_SPACES: Rule = Rule {
    code: "SEG026",
    name: "name-outer-spaces",
    explanation: "Spaces around a name or a value are invisible, and MoEngage does not document whether it ignores them. \
                  Remove them.",
    check: RuleCheck::Segment(outer_spaces),
};

pub(super) const REDUNDANT_PREVIOUS_NAME: Rule = Rule {
    code: "SEG027",
    name: "previous-name-redundant",
    explanation: "An entry of `previous_names` that equals the current name, or is listed twice, has no effect. It \
                  is probably a typo: write the name that the segment had before, or remove the entry.",
    check: RuleCheck::Segment(redundant_previous_name),
};

pub(super) const INVISIBLE_CHARACTER: Rule = Rule {
    code: "SEG039",
    name: "name-invisible-character",
    explanation: "A name or a value contains an invisible character, or one that looks like a space. Two different \
                  names then look the same, and a value of a filter matches no user. Such characters often come from copied text. Write the name without it. Joiners \
                  and variation selectors that scripts and emoji need after their letters are allowed.",
    check: RuleCheck::Segment(invisible_character),
};

fn name(declaration: &Declaration) -> &str {
    declaration.segment.name.as_str()
}

fn error(rule: &Rule, declaration: &Declaration, message: String, label: impl Into<String>) -> Diagnostic {
    Diagnostic::error(rule.code, message, declaration.name_location(), label)
}

fn warning(rule: &Rule, declaration: &Declaration, message: String, label: impl Into<String>) -> Diagnostic {
    Diagnostic::warning(rule.code, message, declaration.name_location(), label)
}

fn empty_name(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    if name(declaration).trim().is_empty() {
        let message = "the segment has no name".to_owned();
        found.push(
            error(&EMPTY_NAME, declaration, message, "empty or only spaces")
                .with_help("write a name that describes the members of the segment"),
        );
    }
}

fn name_too_long(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let length = name(declaration).chars().count();
    if length > LENGTH_LIMIT {
        let message = format!("the name has {length} characters; the limit is {LENGTH_LIMIT}");
        let label = format!("{} too many", length - LENGTH_LIMIT);
        found.push(
            error(&NAME_TOO_LONG, declaration, message, label)
                .with_help("shorten it, and put the details into `description`"),
        );
    }
}

fn forbidden_character(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let name = name(declaration);
    let is_forbidden = |next: char| FORBIDDEN.contains(next) || next.is_control();
    let forbidden: Vec<String> = name
        .chars()
        .enumerate()
        .filter(|(_, next)| is_forbidden(*next))
        .map(|(index, next)| format!("{} at character {}", describe_character(next), index + 1))
        .collect();
    if forbidden.is_empty() {
        return;
    }
    let message = format!(
        "the name `{}` contains a character that is not allowed in names",
        name.escape_debug()
    );
    // A text after `>` or `|` ends with a line end.
    let is_block = name.ends_with('\n') && !name.trim_end().contains(is_forbidden);
    let help = if is_block {
        "write the name on the line of `name:`, or write `>-` instead of `>` or `|`"
    } else {
        "remove the character or use another one"
    };
    found.push(
        error(&FORBIDDEN_CHARACTER, declaration, message, forbidden.join(", "))
            .with_note("not allowed are : | * ? \\ < > = $ \" and control characters")
            .with_help(help),
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
    report_invisible(INVISIBLE_CHARACTER.code, declaration, found);
    let name = name(declaration);
    let hidden = hidden_characters(name);
    let is_visible = |(position, _): &(usize, char)| !hidden.iter().any(|(found, _)| found == position);
    let visible = (1..).zip(name.chars()).filter(is_visible);
    let clean: String = visible.map(|(_, next)| next).collect();
    if hidden.is_empty() || clean.trim().is_empty() {
        return;
    }
    let message = format!("the name `{clean}` contains an invisible character");
    found.push(
        warning(
            &INVISIBLE_CHARACTER,
            declaration,
            message,
            describe_hidden(&hidden),
        )
        .with_help("type the name again: such characters come from copied text")
        .with_help(format!(
            "if the remote segment has this name, keep it, or write the clean name and \
                 `previous_names: [\"{}\"]`",
            escaped(name)
        )),
    );
}

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
            error(&LEADING_DOT, declaration, message, "starts with `.`")
                .with_help("start with another character"),
        );
    }
}

fn reserved_name(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    if declaration.segment.name.is_reserved() {
        let message = "the name `All Users` is reserved by MoEngage".to_owned();
        found.push(
            error(&RESERVED_NAME_USED, declaration, message, "reserved")
                .with_help("choose another name; to refer to all users, use the id `moe_all_users`"),
        );
    }
}

fn ampersand(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let name = name(declaration);
    if name.contains('&') {
        let message = format!("MoEngage may reject the `&` in the name `{name}`");
        found.push(
            warning(&AMPERSAND, declaration, message, "may count as HTML")
                .with_help("write \"and\" to be safe"),
        );
    }
}

fn outer_spaces(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    report_outer_spaces(OUTER_SPACES.code, declaration, found);
    let name = name(declaration);
    let trimmed = name.trim();
    // SEG022 reports line ends.
    if trimmed.len() != name.len() && !trimmed.is_empty() && !name.contains(char::is_control) {
        let message = format!("the name `{name}` starts or ends with a space");
        found.push(
            warning(&OUTER_SPACES, declaration, message, "outer spaces")
                .with_note("MoEngage does not document whether it ignores them when it compares names")
                .with_help(format!("write `{trimmed}`")),
        );
    }
}

fn redundant_previous_name(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    for (index, previous) in declaration.segment.previous_names.iter().enumerate() {
        let label = if *previous == declaration.segment.name {
            "the current name"
        } else if seen.insert(previous) {
            continue;
        } else {
            "listed twice"
        };
        let location = declaration.location_of(&[Field("previous_names"), Item(index)]);
        let message = format!("the previous name `{previous}` has no effect");
        found.push(
            Diagnostic::warning(REDUNDANT_PREVIOUS_NAME.code, message, location, label)
                .with_help("write the name that the segment had before, or remove the entry"),
        );
    }
}
