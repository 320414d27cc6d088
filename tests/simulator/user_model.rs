//! The users of the workspace: they edit the configuration between runs, and the dashboard at any time.

use super::declared_list::{DeclaredList, ListFormat};
use super::ground_truth::Author;
use super::people::People;
use super::random::Random;
use super::workspace::{self, ArrivingRequest, SimulatedWorkspace};
use jiff::Timestamp;
use segctl::model::{
    AttributeFilter, Condition, Contents, DeclaredSegment, Definition, DoubleTest, Filter, Group,
    GroupOperator, Lifecycle, Number, Operand, Origin, Reference, SegmentKind, SegmentName,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// Generates unused numbers and names.
#[derive(Clone, Default)]
pub(crate) struct UnusedValues(Arc<AtomicI64>);

impl UnusedValues {
    fn number(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn name(&self, word: &str) -> String {
        format!("{word} {}", self.number())
    }
}

/// The configuration.
pub(crate) struct DeclaredFiles {
    random: Random,
    unused: UnusedValues,
    items: Vec<DeclaredItem>,
    /// Whether a rename frees the old name.
    frees_names: bool,
    /// The names that other segments got since the last complete run.
    reassigned_names: BTreeSet<String>,
    /// Whether the configuration also declares cohorts and file segments.
    has_member_lists: bool,
}

/// A segment that is or was declared.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredItem {
    pub(crate) name: String,
    pub(crate) previous_names: Vec<String>,
    pub(crate) is_declared: bool,
    pub(crate) is_archived: bool,
    pub(crate) desired: DesiredFilters,
    /// The item only refers to items of lower levels.
    reference_level: usize,
    /// For a cohort or a file segment.
    pub(crate) list: Option<DeclaredList>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct DesiredFilters {
    amount: i64,
    excluded: Option<i64>,
    is_nested: bool,
    refers_to: BTreeSet<usize>,
}

/// MoEngage accepts 6 levels. A nested group adds one, and a temporary change adds one.
const REFERENCE_LEVELS: usize = 4;

/// Only items below this level may have a nested group.
const NESTED_LEVELS: usize = 2;

impl DeclaredFiles {
    pub(crate) fn new(
        (mut random, unused): (Random, UnusedValues),
        count: usize,
        (frees_names, has_lists): (bool, bool),
    ) -> Self {
        let items = Vec::new();
        let mut files = Self {
            random: random.fork(),
            unused,
            items,
            frees_names,
            reassigned_names: BTreeSet::new(),
            has_member_lists: has_lists,
        };
        for _ in 0..count {
            files.create();
        }
        files
    }

    pub(crate) fn declared(&self) -> Vec<DeclaredSegment> {
        let declared = self.items.iter().filter(|item| item.is_declared);
        declared.map(|item| self.to_declared_segment(item)).collect()
    }

    /// A run applied the edits so far.
    pub(crate) fn mark_applied(&mut self) {
        self.reassigned_names.clear();
    }

    /// The declared items and the removed ones.
    pub(crate) fn items(&self) -> &[DeclaredItem] {
        &self.items
    }

    /// The amounts of an item's definition, which identify it.
    pub(crate) fn amounts(&self, item: &DeclaredItem) -> BTreeSet<i64> {
        [item.desired.amount]
            .into_iter()
            .chain(item.desired.excluded)
            .collect()
    }

    /// The names of the segments that an item refers to.
    pub(crate) fn references(&self, item: &DeclaredItem) -> BTreeSet<String> {
        item.desired
            .refers_to
            .iter()
            .map(|other| self.items[*other].name.clone())
            .collect()
    }

    /// Whether items refer to each other in a cycle, which random edits can produce.
    pub(crate) fn has_reference_cycle(&self) -> bool {
        let is_in_cycle = |first: usize| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![first]);
            while let Some(index) = next.pop() {
                for other in &self.items[index].desired.refers_to {
                    if *other == first {
                        return true;
                    }
                    if seen.insert(*other) {
                        next.push(*other);
                    }
                }
            }
            false
        };
        (0..self.items.len()).any(is_in_cycle)
    }

    /// Makes random edits, and returns their descriptions.
    pub(crate) fn edit(&mut self, count: usize) -> Vec<String> {
        (0..count).filter_map(|_| self.edit_once()).collect()
    }

    fn edit_once(&mut self) -> Option<String> {
        let index = self.draw_declared()?;
        let name = self.items[index].name.clone();
        let is_list = self.items[index].list.is_some();
        if is_list && self.random.percent(70) {
            return self.edit_list(index);
        }
        match self.random.below(20) {
            0..=3 => {
                let index = self.create();
                Some(format!("`{}` is declared", self.items[index].name))
            }
            // Only filter segments have definitions and can be renamed.
            4..=14 if is_list => None,
            4..=7 => {
                self.items[index].desired.amount = self.unused.number();
                Some(format!("`{name}` gets another definition"))
            }
            8..=9 => self.change_reference(index),
            10 => {
                let may_nest = self.items[index].reference_level < NESTED_LEVELS;
                self.items[index].desired.is_nested ^= may_nest;
                self.items[index].desired.excluded = self.random.percent(50).then(|| self.unused.number());
                Some(format!("`{name}` gets another form"))
            }
            11..=12 => self.rename(index),
            13..=14 => self.swap(index),
            15..=16 => self.archive(index),
            17 => self.remove(index),
            18 => self.restore(),
            // Only filter segments can be renamed.
            _ if is_list => None,
            _ if self.random.percent(40) => self.swap_names(index),
            _ => self.rename_and_recreate(index),
        }
    }

    fn draw_declared(&mut self) -> Option<usize> {
        let declared: Vec<usize> = (0..self.items.len())
            .filter(|index| self.items[*index].is_declared)
            .collect();
        self.random.pick(&declared).copied()
    }

    fn create(&mut self) -> usize {
        if self.has_member_lists && self.random.percent(45) {
            return self.create_list();
        }
        self.create_filter()
    }

    fn create_list(&mut self) -> usize {
        let format = match self.random.below(10) {
            0 => ListFormat::Inline { is_long: true },
            1..=3 => ListFormat::Inline { is_long: false },
            4 => ListFormat::MemberFile,
            _ => ListFormat::UserFile,
        };
        let list = DeclaredList {
            people: People::from_bits(self.random.draw()),
            previous_people: Vec::new(),
            format,
            cohort_number: self.unused.number(),
        };
        self.items.push(DeclaredItem {
            name: self.unused.name("list"),
            previous_names: Vec::new(),
            is_declared: true,
            is_archived: format == ListFormat::UserFile && self.random.percent(5),
            desired: DesiredFilters::default(),
            reference_level: 0,
            list: Some(list),
        });
        self.items.len() - 1
    }

    fn edit_list(&mut self, index: usize) -> Option<String> {
        let drawn = People::from_bits(self.random.draw() & self.random.draw());
        let kind_of_edit = self.random.below(5);
        let name = self.items[index].name.clone();
        let list = self.items[index].list.as_mut()?;
        let before = list.people;
        list.people = match kind_of_edit {
            0 => before.union(drawn),
            1 => before.without(drawn),
            2 => before.union(drawn).without(People::from_bits(self.random.draw())),
            3 => self.random.pick(&list.previous_people).copied().unwrap_or(before),
            _ => drawn,
        };
        // A declared list has at least one person.
        if list.people == People::default() {
            list.people = drawn;
        }
        list.previous_people.push(before);
        Some(format!("`{name}` has {:?} instead of {before:?}", list.people))
    }

    fn create_filter(&mut self) -> usize {
        let word = ["Segment", "Käufer", "a & b", "x"][self.random.below(4)];
        let name = self.unused.name(word);
        let amount = self.unused.number();
        let level = self.random.below(REFERENCE_LEVELS);
        let excluded = self.random.percent(20).then(|| self.unused.number());
        self.items.push(DeclaredItem {
            name,
            previous_names: Vec::new(),
            is_declared: true,
            is_archived: self.random.percent(5),
            desired: DesiredFilters {
                amount,
                excluded,
                is_nested: self.random.percent(10) && level < NESTED_LEVELS,
                refers_to: BTreeSet::new(),
            },
            reference_level: level,
            list: None,
        });
        let index = self.items.len() - 1;
        if self.random.percent(30) {
            self.change_reference(index);
        }
        index
    }

    /// Adds or removes a reference.
    fn change_reference(&mut self, index: usize) -> Option<String> {
        let level = self.items[index].reference_level;
        let name = self.items[index].name.clone();
        if self.random.percent(30)
            && let Some(first) = self.items[index].desired.refers_to.pop_first()
        {
            return Some(format!(
                "`{name}` no longer refers to `{}`",
                self.items[first].name
            ));
        }
        let can_be_referenced =
            |item: &DeclaredItem| item.is_declared && !item.is_archived && item.reference_level < level;
        let lower: Vec<usize> = (0..self.items.len())
            .filter(|other| can_be_referenced(&self.items[*other]))
            .collect();
        let other = self.random.pick(&lower).copied()?;
        // MoEngage accepts 10 direct and indirect references.
        if self.items[index].desired.refers_to.len() < 2 {
            self.items[index].desired.refers_to.insert(other);
        }
        Some(format!("`{name}` refers to `{}`", self.items[other].name))
    }

    fn rename(&mut self, index: usize) -> Option<String> {
        let name = self.unused.name("renamed");
        let before = self.items[index].name.clone();
        if self.reassigned_names.contains(&before) {
            // The previous names would say different things about one segment.
            return None;
        }
        for item in &mut self.items {
            // Only one segment may list a previous name.
            item.previous_names.retain(|name| *name != before);
        }
        // A previous name must not belong to another declared segment.
        let others: BTreeSet<String> = self.items.iter().map(|item| item.name.clone()).collect();
        let item = &mut self.items[index];
        item.previous_names.retain(|name| !others.contains(name));
        let before = std::mem::replace(&mut item.name, name);
        let text = format!("`{before}` is renamed to `{}`", item.name);
        item.previous_names.push(before);
        Some(text)
    }

    fn swap(&mut self, index: usize) -> Option<String> {
        let other = self.draw_declared()?;
        if other == index || self.items[other].list.is_some() {
            return None;
        }
        let amount = self.items[other].desired.amount;
        self.items[other].desired.amount = std::mem::replace(&mut self.items[index].desired.amount, amount);
        Some(format!(
            "`{}` and `{}` swap definitions",
            self.items[index].name, self.items[other].name
        ))
    }

    /// Two segments exchange their names, and the ids move with the names.
    fn swap_names(&mut self, index: usize) -> Option<String> {
        let other = self.draw_declared()?;
        let can_rename = |item: &DeclaredItem| item.list.is_none() && !item.is_archived;
        let is_possible = other != index && [index, other].iter().all(|one| can_rename(&self.items[*one]));
        if !self.frees_names || !is_possible {
            return None;
        }
        let names = [index, other].map(|one| self.items[one].name.clone());
        // If earlier renames are not applied yet, the previous names would say different things about one segment.
        let is_pending = |(at, item): (usize, &DeclaredItem)| {
            let is_exchanged = at == index || at == other;
            let mut previous = item.previous_names.iter();
            previous.any(|name| names.contains(name) != is_exchanged)
        };
        if self.items.iter().enumerate().any(is_pending) {
            return None;
        }
        self.reassigned_names.extend(names.clone());
        for one in [index, other] {
            self.items[one].previous_names.clear();
        }
        for (one, (before, after)) in [index, other]
            .into_iter()
            .zip(names.iter().zip(names.iter().rev()))
        {
            self.items[one].previous_names.push(before.clone());
            self.items[one].name.clone_from(after);
        }
        Some(format!("`{}` and `{}` exchange their names", names[0], names[1]))
    }

    fn archive(&mut self, index: usize) -> Option<String> {
        if self.items[index].kind() == SegmentKind::Cohort {
            // The API archives no cohorts.
            return None;
        }
        if self.items[index].is_archived {
            self.items[index].is_archived = false;
            return Some(format!("`{}` is active", self.items[index].name));
        }
        self.remove_references_to(index);
        self.items[index].is_archived = true;
        Some(format!("`{}` is archived", self.items[index].name))
    }

    fn remove(&mut self, index: usize) -> Option<String> {
        self.remove_references_to(index);
        self.items[index].is_declared = false;
        Some(format!("`{}` is removed", self.items[index].name))
    }

    fn restore(&mut self) -> Option<String> {
        let names: BTreeSet<String> = self
            .items
            .iter()
            .filter(|item| item.is_declared)
            .map(|item| item.name.clone())
            .collect();
        let is_removed = |item: &DeclaredItem| !item.is_declared && !names.contains(&item.name);
        let removed: Vec<usize> = (0..self.items.len())
            .filter(|index| is_removed(&self.items[*index]))
            .collect();
        let index = self.random.pick(&removed).copied()?;
        self.items[index].is_declared = true;
        self.items[index].is_archived = false;
        let declared: Vec<bool> = self
            .items
            .iter()
            .map(|item| item.is_declared && !item.is_archived)
            .collect();
        self.items[index]
            .desired
            .refers_to
            .retain(|other| declared[*other]);
        Some(format!("`{}` is declared again", self.items[index].name))
    }

    /// Renames a segment, and declares a new one with its old name.
    fn rename_and_recreate(&mut self, index: usize) -> Option<String> {
        if !self.frees_names {
            return None;
        }
        let name = self.items[index].name.clone();
        self.rename(index)?;
        let new = self.create_filter();
        self.items[new].name.clone_from(&name);
        self.reassigned_names.insert(name.clone());
        Some(format!(
            "`{name}` is renamed to `{}`, and a new segment has its name",
            self.items[index].name
        ))
    }

    fn remove_references_to(&mut self, index: usize) {
        for item in &mut self.items {
            item.desired.refers_to.remove(&index);
        }
    }

    fn to_declared_segment(&self, item: &DeclaredItem) -> DeclaredSegment {
        let desired = &item.desired;
        let mut filters = vec![spend_above(desired.amount)];
        for other in &desired.refers_to {
            let name = SegmentName::new(self.items[*other].name.as_str());
            filters.push(Filter::Reference(Reference::Name(name)));
        }
        if desired.is_nested {
            filters = vec![Filter::Nested(group(filters))];
        }
        DeclaredSegment {
            name: SegmentName::new(item.name.as_str()),
            id: None,
            previous_names: item
                .previous_names
                .iter()
                .map(|name| SegmentName::new(name.as_str()))
                .collect(),
            protect: false,
            lifecycle: if item.is_archived {
                Lifecycle::Archived
            } else {
                Lifecycle::Active
            },
            contents: match &item.list {
                Some(list) => list.contents(),
                None => Contents::from(Definition {
                    included: group(filters),
                    excluded: desired.excluded.map(|amount| group(vec![spend_above(amount)])),
                }),
            },
            origin: Origin {
                file: format!("{}.yaml", item.name),
                line: 1,
                column: 1,
            },
            reference_origins: Default::default(),
        }
    }
}

impl DeclaredItem {
    pub(crate) fn kind(&self) -> SegmentKind {
        match self.list.as_ref().map(|list| list.format) {
            None => SegmentKind::Filter,
            Some(ListFormat::UserFile) => SegmentKind::File,
            Some(_) => SegmentKind::Cohort,
        }
    }
}

fn spend_above(amount: i64) -> Filter {
    #[expect(clippy::cast_precision_loss, reason = "amounts are counted from 1")]
    let amount = Number::new(amount as f64).unwrap();
    let test = DoubleTest::GreaterThan(Operand::Fixed(amount));
    Filter::Attribute(AttributeFilter {
        name: "spend".to_owned(),
        category: None,
        condition: Condition::Double { negate: false, test },
    })
}

fn group(filters: Vec<Filter>) -> Group {
    Group {
        operator: GroupOperator::And,
        filters,
    }
}

#[derive(Clone)]
pub(crate) struct DashboardUsers {
    random: Arc<Mutex<Random>>,
    unused: UnusedValues,
}

impl DashboardUsers {
    pub(crate) fn new(random: Random, unused: UnusedValues) -> Self {
        Self {
            random: Arc::new(Mutex::new(random)),
            unused,
        }
    }

    pub(crate) fn create_segment(
        &self,
        workspace: &mut SimulatedWorkspace,
        now: Timestamp,
        name: Option<&str>,
    ) -> Option<String> {
        let name = name.map_or_else(|| self.unused.name("manual"), str::to_owned);
        let filters = filters(self.unused.number());
        workspace.edit_in_dashboard(now, &json!({"name": name, "included_filters": filters}))
    }

    pub(crate) fn create_undeclared_segment(&self, workspace: &mut SimulatedWorkspace, now: Timestamp) {
        let created = self.create_segment(workspace, now, None);
        if !workspace.manages_external_segments {
            workspace.unmanaged.extend(created);
        }
    }

    /// Creates a declared cohort or file segment with other people, and returns whether the service has to read a list.
    pub(crate) fn create_list_segment(
        &self,
        workspace: &mut SimulatedWorkspace,
        now: Timestamp,
        (name, list): (&str, &DeclaredList),
    ) -> bool {
        let people = People::from_bits(self.random.lock().unwrap().draw());
        let address = workspace.published_files.put_external_file(people);
        let (path, body) = list.external_create_request(name, people, &address);
        let mut request = workspace::sandbox_call("POST", path, body.to_string().into_bytes());
        if path.starts_with("/v2/") {
            let content_type = workspace.file_content_type.to_owned();
            request.headers.insert("content-type".to_owned(), content_type);
        }
        let arriving = ArrivingRequest {
            author: Author::Dashboard,
            sent_at: now.as_millisecond(),
            request: &request,
            missing_writes: 0,
            is_known_to_run: false,
        };
        let reply = workspace.handle_request(now, arriving);
        let created = workspace
            .ground_truth
            .by_name(name)
            .map(|(id, segment)| (id.to_owned(), segment.clone()));
        if let Some((id, segment)) = created.filter(|(_, segment)| segment.kind != SegmentKind::Filter) {
            workspace.external_people.insert(id, segment.people);
        }
        reply.status == 202
    }

    pub(crate) fn edit_random_segment(&self, workspace: &mut SimulatedWorkspace, now: Timestamp) {
        let mut random = self.random.lock().unwrap();
        let ids: Vec<String> = workspace.ground_truth.segments.keys().cloned().collect();
        let Some(id) = random.pick(&ids) else { return };
        let is_archived = workspace.ground_truth.segments[id].is_archived;
        let edit = match random.below(8) {
            0 => {
                return self.create_undeclared_segment(workspace, now);
            }
            1 | 2 => json!({"id": id, "name": self.unused.name("touched")}),
            3..=5 => json!({"id": id, "included_filters": filters(self.unused.number())}),
            _ => json!({"id": id, "archived": !is_archived}),
        };
        workspace.edit_in_dashboard(now, &edit);
    }
}

fn filters(amount: i64) -> Value {
    json!({"filter_operator": "and", "filters": [{
        "filter_type": "user_attributes", "name": "spend", "data_type": "double", "operator": "greaterThan",
        "value": amount, "negate": false,
    }]})
}
