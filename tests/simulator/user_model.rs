//! What people want, and how they change their minds: the files between runs, and the dashboard at any time.

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

/// Numbers and names that nothing has yet.
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

/// The files.
pub(crate) struct DeclaredFiles {
    random: Random,
    unused: UnusedValues,
    items: Vec<DeclaredItem>,
    /// Whether a name that was given up can be taken again.
    frees_names: bool,
    /// Whether they declare cohorts and file segments, too.
    has_member_lists: bool,
}

/// A segment that is or was declared.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredItem {
    pub(crate) name: String,
    previous_names: Vec<String>,
    pub(crate) is_declared: bool,
    pub(crate) is_archived: bool,
    pub(crate) desired: DesiredFilters,
    /// It refers to items of lower levels only.
    reference_level: usize,
    /// Who is to be in it, where that is no matter of filters.
    pub(crate) list: Option<DeclaredList>,
}

/// Who is to be in a segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct DesiredFilters {
    amount: i64,
    excluded: Option<i64>,
    is_nested: bool,
    refers_to: BTreeSet<usize>,
}

/// Levels that refer to each other. The service takes 6 and counts one more for each that refers and has a group inside;
/// a passing form takes one more.
const REFERENCE_LEVELS: usize = 4;

/// The levels below this one may have a group inside: 5 at the most.
const NESTED_LEVELS: usize = 2;

impl DeclaredFiles {
    /// Files with so many segments.
    pub(crate) fn new(
        (mut random, fresh): (Random, UnusedValues),
        count: usize,
        (frees_names, has_lists): (bool, bool),
    ) -> Self {
        let items = Vec::new();
        let mut files = Self {
            random: random.fork(),
            unused: fresh,
            items,
            frees_names,
            has_member_lists: has_lists,
        };
        for _ in 0..count {
            files.create();
        }
        files
    }

    /// The segments as the configuration hands them over.
    pub(crate) fn declared(&self) -> Vec<DeclaredSegment> {
        let declared = self.items.iter().filter(|item| item.is_declared);
        declared.map(|item| self.to_declared_segment(item)).collect()
    }

    /// What is declared, and what was.
    pub(crate) fn items(&self) -> &[DeclaredItem] {
        &self.items
    }

    /// The numbers that tell an item's definition apart.
    pub(crate) fn amounts(&self, item: &DeclaredItem) -> BTreeSet<i64> {
        [item.desired.amount]
            .into_iter()
            .chain(item.desired.excluded)
            .collect()
    }

    /// The names that an item refers to.
    pub(crate) fn references(&self, item: &DeclaredItem) -> BTreeSet<String> {
        item.desired
            .refers_to
            .iter()
            .map(|other| self.items[*other].name.clone())
            .collect()
    }

    /// Whether segments refer to each other in circles, as files that are edited at random may have it.
    pub(crate) fn has_reference_cycle(&self) -> bool {
        let leads_back = |first: usize| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![first]);
            while let Some(place) = next.pop() {
                for other in &self.items[place].desired.refers_to {
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
        (0..self.items.len()).any(leads_back)
    }

    /// Changes the files in some ways.
    pub(crate) fn edit(&mut self, count: usize) -> Vec<String> {
        (0..count).filter_map(|_| self.edit_once()).collect()
    }

    fn edit_once(&mut self) -> Option<String> {
        let place = self.draw_declared()?;
        let name = self.items[place].name.clone();
        let is_list = self.items[place].list.is_some();
        if is_list && self.random.percent(70) {
            return self.edit_list(place);
        }
        match self.random.below(20) {
            0..=3 => {
                let place = self.create();
                Some(format!("`{}` is declared", self.items[place].name))
            }
            // These are about filters, and about names.
            4..=14 if is_list => None,
            4..=7 => {
                self.items[place].desired.amount = self.unused.number();
                Some(format!("`{name}` gets another definition"))
            }
            8..=9 => self.change_reference(place),
            10 => {
                let may_nest = self.items[place].reference_level < NESTED_LEVELS;
                self.items[place].desired.is_nested ^= may_nest;
                self.items[place].desired.excluded = self.random.percent(50).then(|| self.unused.number());
                Some(format!("`{name}` gets another form"))
            }
            11..=12 => self.rename(place),
            13..=14 => self.swap(place),
            15..=16 => self.archive(place),
            17 => self.remove(place),
            18 => self.restore(),
            // The API renames no others.
            _ if is_list => None,
            _ => self.rename_and_recreate(place),
        }
    }

    /// A declared item.
    fn draw_declared(&mut self) -> Option<usize> {
        let declared: Vec<usize> = (0..self.items.len())
            .filter(|place| self.items[*place].is_declared)
            .collect();
        self.random.pick(&declared).copied()
    }

    fn create(&mut self) -> usize {
        if self.has_member_lists && self.random.percent(45) {
            return self.create_list();
        }
        self.create_filter()
    }

    /// Declares a cohort or a file segment.
    fn create_list(&mut self) -> usize {
        let spelling = match self.random.below(10) {
            0 => ListFormat::Inline { is_long: true },
            1..=3 => ListFormat::Inline { is_long: false },
            4 => ListFormat::MemberFile,
            _ => ListFormat::UserFile,
        };
        let list = DeclaredList {
            people: People::from_bits(self.random.draw()),
            previous_people: Vec::new(),
            format: spelling,
            cohort_number: self.unused.number(),
        };
        self.items.push(DeclaredItem {
            name: self.unused.name("list"),
            previous_names: Vec::new(),
            is_declared: true,
            is_archived: spelling == ListFormat::UserFile && self.random.percent(5),
            desired: DesiredFilters::default(),
            reference_level: 0,
            list: Some(list),
        });
        self.items.len() - 1
    }

    /// Changes who is to be in a list.
    fn edit_list(&mut self, place: usize) -> Option<String> {
        let some = People::from_bits(self.random.draw() & self.random.draw());
        let turn = self.random.below(5);
        let name = self.items[place].name.clone();
        let list = self.items[place].list.as_mut()?;
        let before = list.people;
        list.people = match turn {
            0 => before.union(some),
            1 => before.without(some),
            2 => before.union(some).without(People::from_bits(self.random.draw())),
            3 => self.random.pick(&list.previous_people).copied().unwrap_or(before),
            _ => some,
        };
        // Nobody is declared empty.
        if list.people == People::default() {
            list.people = some;
        }
        list.previous_people.push(before);
        Some(format!("`{name}` has {:?} in place of {before:?}", list.people))
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
        let place = self.items.len() - 1;
        if self.random.percent(30) {
            self.change_reference(place);
        }
        place
    }

    /// Adds a reference, or takes one away.
    fn change_reference(&mut self, place: usize) -> Option<String> {
        let level = self.items[place].reference_level;
        let name = self.items[place].name.clone();
        if self.random.percent(30)
            && let Some(first) = self.items[place].desired.refers_to.pop_first()
        {
            return Some(format!("`{name}` refers to `{}` no more", self.items[first].name));
        }
        let may_be =
            |item: &DeclaredItem| item.is_declared && !item.is_archived && item.reference_level < level;
        let lower: Vec<usize> = (0..self.items.len())
            .filter(|other| may_be(&self.items[*other]))
            .collect();
        let other = self.random.pick(&lower).copied()?;
        // The service takes ten, near and far.
        if self.items[place].desired.refers_to.len() < 2 {
            self.items[place].desired.refers_to.insert(other);
        }
        Some(format!("`{name}` refers to `{}`", self.items[other].name))
    }

    fn rename(&mut self, place: usize) -> Option<String> {
        let name = self.unused.name("renamed");
        let before = self.items[place].name.clone();
        for item in &mut self.items {
            // A segment has a name before; two that say so mean the same one.
            item.previous_names.retain(|name| *name != before);
        }
        // A name that another segment has by now says nothing of this one.
        let others: BTreeSet<String> = self.items.iter().map(|item| item.name.clone()).collect();
        let item = &mut self.items[place];
        item.previous_names.retain(|name| !others.contains(name));
        let before = std::mem::replace(&mut item.name, name);
        let text = format!("`{before}` is renamed to `{}`", item.name);
        item.previous_names.push(before);
        Some(text)
    }

    /// Two segments have each other's definitions from now on.
    fn swap(&mut self, place: usize) -> Option<String> {
        let other = self.draw_declared()?;
        if other == place || self.items[other].list.is_some() {
            return None;
        }
        let amount = self.items[other].desired.amount;
        self.items[other].desired.amount = std::mem::replace(&mut self.items[place].desired.amount, amount);
        Some(format!(
            "`{}` and `{}` swap definitions",
            self.items[place].name, self.items[other].name
        ))
    }

    fn archive(&mut self, place: usize) -> Option<String> {
        if self.items[place].kind() == SegmentKind::Cohort {
            // The API cannot.
            return None;
        }
        if self.items[place].is_archived {
            self.items[place].is_archived = false;
            return Some(format!("`{}` is active", self.items[place].name));
        }
        self.remove_references_to(place);
        self.items[place].is_archived = true;
        Some(format!("`{}` is archived", self.items[place].name))
    }

    fn remove(&mut self, place: usize) -> Option<String> {
        self.remove_references_to(place);
        self.items[place].is_declared = false;
        Some(format!("`{}` is removed", self.items[place].name))
    }

    fn restore(&mut self) -> Option<String> {
        let names: BTreeSet<String> = self
            .items
            .iter()
            .filter(|item| item.is_declared)
            .map(|item| item.name.clone())
            .collect();
        let gone = |item: &DeclaredItem| !item.is_declared && !names.contains(&item.name);
        let gone: Vec<usize> = (0..self.items.len())
            .filter(|place| gone(&self.items[*place]))
            .collect();
        let place = self.random.pick(&gone).copied()?;
        self.items[place].is_declared = true;
        self.items[place].is_archived = false;
        let declared: Vec<bool> = self
            .items
            .iter()
            .map(|item| item.is_declared && !item.is_archived)
            .collect();
        self.items[place]
            .desired
            .refers_to
            .retain(|other| declared[*other]);
        Some(format!("`{}` is back", self.items[place].name))
    }

    /// A segment gets another name, and a new one gets its name.
    fn rename_and_recreate(&mut self, place: usize) -> Option<String> {
        if !self.frees_names {
            return None;
        }
        let name = self.items[place].name.clone();
        self.rename(place);
        let new = self.create_filter();
        self.items[new].name.clone_from(&name);
        Some(format!(
            "`{name}` is moved on to `{}`, and made anew",
            self.items[place].name
        ))
    }

    /// Nobody refers to an item any more.
    fn remove_references_to(&mut self, place: usize) {
        for item in &mut self.items {
            item.desired.refers_to.remove(&place);
        }
    }

    fn to_declared_segment(&self, item: &DeclaredItem) -> DeclaredSegment {
        let wish = &item.desired;
        let mut filters = vec![spend_above(wish.amount)];
        for other in &wish.refers_to {
            let name = SegmentName::new(self.items[*other].name.as_str());
            filters.push(Filter::Reference(Reference::Name(name)));
        }
        if wish.is_nested {
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
                None => Contents::Filter(Definition {
                    included: group(filters),
                    excluded: wish.excluded.map(|amount| group(vec![spend_above(amount)])),
                }),
            },
            origin: Origin {
                file: format!("{}.yaml", item.name),
                line: 1,
                column: 1,
            },
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

/// People who use the dashboard.
#[derive(Clone)]
pub(crate) struct DashboardUsers {
    random: Arc<Mutex<Random>>,
    unused: UnusedValues,
}

impl DashboardUsers {
    pub(crate) fn new(random: Random, fresh: UnusedValues) -> Self {
        Self {
            random: Arc::new(Mutex::new(random)),
            unused: fresh,
        }
    }

    /// Makes a segment; whether it is anybody's business is for the caller to say.
    pub(crate) fn create_segment(
        &self,
        workspace: &mut SimulatedWorkspace,
        now: Timestamp,
        name: Option<&str>,
    ) -> Option<String> {
        let name = name.map_or_else(|| self.unused.name("by hand"), str::to_owned);
        let filters = filters(self.unused.number());
        workspace.edit_in_dashboard(now, &json!({"name": name, "included_filters": filters}))
    }

    /// Makes a segment that no file declares.
    pub(crate) fn create_undeclared_segment(&self, workspace: &mut SimulatedWorkspace, now: Timestamp) {
        let made = self.create_segment(workspace, now, None);
        if !workspace.manages_external_segments {
            workspace.unmanaged.extend(made);
        }
    }

    /// Makes a cohort or a file segment that files declare, with other people in it; whether the service has to read a list.
    pub(crate) fn create_list_segment(
        &self,
        workspace: &mut SimulatedWorkspace,
        now: Timestamp,
        (name, list): (&str, &DeclaredList),
    ) -> bool {
        let people = People::from_bits(self.random.lock().unwrap().draw());
        let address = workspace.published_files.put_external_file(people);
        let (path, body) = list.external_create_request(name, people, &address);
        let call = workspace::sandbox_call("POST", path, body.to_string().into_bytes());
        let arrival = ArrivingRequest {
            author: Author::Dashboard,
            sent_at: now.as_millisecond(),
            request: &call,
            missing_writes: 0,
            is_known_to_run: false,
        };
        let reply = workspace.handle_request(now, arrival);
        let made = workspace
            .ground_truth
            .by_name(name)
            .map(|(id, segment)| (id.to_owned(), segment.clone()));
        if let Some((id, segment)) = made.filter(|(_, segment)| segment.kind != SegmentKind::Filter) {
            workspace.external_people.insert(id, segment.people);
        }
        reply.status == 202
    }

    /// Does something to a segment, whoever made it.
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
