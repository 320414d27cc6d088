//! What people want, and how they change their minds: the files between runs, and the dashboard at any time.

use super::list::{List, Spelling};
use super::members::People;
use super::random::Random;
use super::truth::Author;
use super::workspace::{self, Arrival, Workspace};
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
pub(crate) struct Fresh(Arc<AtomicI64>);

impl Fresh {
    fn number(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn name(&self, word: &str) -> String {
        format!("{word} {}", self.number())
    }
}

/// The files.
pub(crate) struct Files {
    random: Random,
    fresh: Fresh,
    items: Vec<Item>,
    /// Whether a name that was given up can be taken again.
    frees_names: bool,
    /// Whether they declare cohorts and file segments, too.
    has_lists: bool,
}

/// A segment that is or was declared.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) name: String,
    previous_names: Vec<String>,
    pub(crate) is_declared: bool,
    pub(crate) is_archived: bool,
    pub(crate) wish: Wish,
    /// It refers to items of lower levels only.
    level: usize,
    /// Who is to be in it, where that is no matter of filters.
    pub(crate) list: Option<List>,
}

/// Who is to be in a segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    amount: i64,
    excluded: Option<i64>,
    is_nested: bool,
    refers_to: BTreeSet<usize>,
}

/// Levels that refer to each other. The service takes 6 and counts one more for each that refers and has a group inside;
/// a passing form takes one more.
const LEVELS: usize = 4;

/// The levels below this one may have a group inside: 5 at the most.
const NESTED: usize = 2;

impl Files {
    /// Files with so many segments.
    pub(crate) fn new(
        (mut random, fresh): (Random, Fresh),
        count: usize,
        (frees_names, has_lists): (bool, bool),
    ) -> Self {
        let items = Vec::new();
        let mut files = Self {
            random: random.fork(),
            fresh,
            items,
            frees_names,
            has_lists,
        };
        for _ in 0..count {
            files.create();
        }
        files
    }

    /// The segments as the configuration hands them over.
    pub(crate) fn declared(&self) -> Vec<DeclaredSegment> {
        let declared = self.items.iter().filter(|item| item.is_declared);
        declared.map(|item| self.declare(item)).collect()
    }

    /// What is declared, and what was.
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The numbers that tell an item's definition apart.
    pub(crate) fn amounts(&self, item: &Item) -> BTreeSet<i64> {
        [item.wish.amount].into_iter().chain(item.wish.excluded).collect()
    }

    /// The names that an item refers to.
    pub(crate) fn references(&self, item: &Item) -> BTreeSet<String> {
        item.wish
            .refers_to
            .iter()
            .map(|other| self.items[*other].name.clone())
            .collect()
    }

    /// Whether segments refer to each other in circles, as files that are edited at random may have it.
    pub(crate) fn go_in_circles(&self) -> bool {
        let leads_back = |first: usize| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![first]);
            while let Some(place) = next.pop() {
                for other in &self.items[place].wish.refers_to {
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
        let place = self.any()?;
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
                self.items[place].wish.amount = self.fresh.number();
                Some(format!("`{name}` gets another definition"))
            }
            8..=9 => self.refer(place),
            10 => {
                let may_nest = self.items[place].level < NESTED;
                self.items[place].wish.is_nested ^= may_nest;
                self.items[place].wish.excluded = self.random.percent(50).then(|| self.fresh.number());
                Some(format!("`{name}` gets another form"))
            }
            11..=12 => self.rename(place),
            13..=14 => self.swap(place),
            15..=16 => self.archive(place),
            17 => self.remove(place),
            18 => self.restore(),
            // The API renames no others.
            _ if is_list => None,
            _ => self.move_on(place),
        }
    }

    /// A declared item.
    fn any(&mut self) -> Option<usize> {
        let declared: Vec<usize> = (0..self.items.len())
            .filter(|place| self.items[*place].is_declared)
            .collect();
        self.random.pick(&declared).copied()
    }

    fn create(&mut self) -> usize {
        if self.has_lists && self.random.percent(45) {
            return self.create_list();
        }
        self.create_filter()
    }

    /// Declares a cohort or a file segment.
    fn create_list(&mut self) -> usize {
        let spelling = match self.random.below(10) {
            0 => Spelling::Listed { is_long: true },
            1..=3 => Spelling::Listed { is_long: false },
            4 => Spelling::Local,
            _ => Spelling::Users,
        };
        let list = List {
            people: People::drawn(self.random.draw()),
            former: Vec::new(),
            spelling,
            number: self.fresh.number(),
        };
        self.items.push(Item {
            name: self.fresh.name("list"),
            previous_names: Vec::new(),
            is_declared: true,
            is_archived: spelling == Spelling::Users && self.random.percent(5),
            wish: Wish::default(),
            level: 0,
            list: Some(list),
        });
        self.items.len() - 1
    }

    /// Changes who is to be in a list.
    fn edit_list(&mut self, place: usize) -> Option<String> {
        let some = People::drawn(self.random.draw() & self.random.draw());
        let turn = self.random.below(5);
        let name = self.items[place].name.clone();
        let list = self.items[place].list.as_mut()?;
        let before = list.people;
        list.people = match turn {
            0 => before.and(some),
            1 => before.without(some),
            2 => before.and(some).without(People::drawn(self.random.draw())),
            3 => self.random.pick(&list.former).copied().unwrap_or(before),
            _ => some,
        };
        // Nobody is declared empty.
        if list.people == People::default() {
            list.people = some;
        }
        list.former.push(before);
        Some(format!("`{name}` has {:?} in place of {before:?}", list.people))
    }

    fn create_filter(&mut self) -> usize {
        let word = ["Segment", "Käufer", "a & b", "x"][self.random.below(4)];
        let name = self.fresh.name(word);
        let amount = self.fresh.number();
        let level = self.random.below(LEVELS);
        let excluded = self.random.percent(20).then(|| self.fresh.number());
        self.items.push(Item {
            name,
            previous_names: Vec::new(),
            is_declared: true,
            is_archived: self.random.percent(5),
            wish: Wish {
                amount,
                excluded,
                is_nested: self.random.percent(10) && level < NESTED,
                refers_to: BTreeSet::new(),
            },
            level,
            list: None,
        });
        let place = self.items.len() - 1;
        if self.random.percent(30) {
            self.refer(place);
        }
        place
    }

    /// Adds a reference, or takes one away.
    fn refer(&mut self, place: usize) -> Option<String> {
        let level = self.items[place].level;
        let name = self.items[place].name.clone();
        if self.random.percent(30)
            && let Some(first) = self.items[place].wish.refers_to.pop_first()
        {
            return Some(format!("`{name}` refers to `{}` no more", self.items[first].name));
        }
        let may_be = |item: &Item| item.is_declared && !item.is_archived && item.level < level;
        let lower: Vec<usize> = (0..self.items.len())
            .filter(|other| may_be(&self.items[*other]))
            .collect();
        let other = self.random.pick(&lower).copied()?;
        // The service takes ten, near and far.
        if self.items[place].wish.refers_to.len() < 2 {
            self.items[place].wish.refers_to.insert(other);
        }
        Some(format!("`{name}` refers to `{}`", self.items[other].name))
    }

    fn rename(&mut self, place: usize) -> Option<String> {
        let name = self.fresh.name("renamed");
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
        let other = self.any()?;
        if other == place || self.items[other].list.is_some() {
            return None;
        }
        let amount = self.items[other].wish.amount;
        self.items[other].wish.amount = std::mem::replace(&mut self.items[place].wish.amount, amount);
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
        self.forget(place);
        self.items[place].is_archived = true;
        Some(format!("`{}` is archived", self.items[place].name))
    }

    fn remove(&mut self, place: usize) -> Option<String> {
        self.forget(place);
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
        let gone = |item: &Item| !item.is_declared && !names.contains(&item.name);
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
        self.items[place].wish.refers_to.retain(|other| declared[*other]);
        Some(format!("`{}` is back", self.items[place].name))
    }

    /// A segment gets another name, and a new one gets its name.
    fn move_on(&mut self, place: usize) -> Option<String> {
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
    fn forget(&mut self, place: usize) {
        for item in &mut self.items {
            item.wish.refers_to.remove(&place);
        }
    }

    fn declare(&self, item: &Item) -> DeclaredSegment {
        let wish = &item.wish;
        let mut filters = vec![spends(wish.amount)];
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
                    excluded: wish.excluded.map(|amount| group(vec![spends(amount)])),
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

impl Item {
    pub(crate) fn kind(&self) -> SegmentKind {
        match self.list.as_ref().map(|list| list.spelling) {
            None => SegmentKind::Filter,
            Some(Spelling::Users) => SegmentKind::File,
            Some(_) => SegmentKind::Cohort,
        }
    }
}

fn spends(amount: i64) -> Filter {
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
pub(crate) struct Dashboard {
    random: Arc<Mutex<Random>>,
    fresh: Fresh,
}

impl Dashboard {
    pub(crate) fn new(random: Random, fresh: Fresh) -> Self {
        Self {
            random: Arc::new(Mutex::new(random)),
            fresh,
        }
    }

    /// Makes a segment; whether it is anybody's business is for the caller to say.
    pub(crate) fn make(
        &self,
        workspace: &mut Workspace,
        now: Timestamp,
        name: Option<&str>,
    ) -> Option<String> {
        let name = name.map_or_else(|| self.fresh.name("by hand"), str::to_owned);
        let filters = filters(self.fresh.number());
        workspace.edit(now, &json!({"name": name, "included_filters": filters}))
    }

    /// Makes a segment that no file declares.
    pub(crate) fn make_stranger(&self, workspace: &mut Workspace, now: Timestamp) {
        let made = self.make(workspace, now, None);
        if !workspace.owns_what_is_made_by_hand {
            workspace.foreign.extend(made);
        }
    }

    /// Makes a cohort or a file segment that files declare, with other people in it; whether the service has to read a list.
    pub(crate) fn make_list(
        &self,
        workspace: &mut Workspace,
        now: Timestamp,
        (name, list): (&str, &List),
    ) -> bool {
        let people = People::drawn(self.random.lock().unwrap().draw());
        let address = workspace.shelf.put_by_hand(people);
        let (path, body) = list.made_by_hand(name, people, &address);
        let call = workspace::call("POST", path, body.to_string().into_bytes());
        let arrival = Arrival {
            author: Author::Dashboard,
            sent_at: now.as_millisecond(),
            call: &call,
            missing_writes: 0,
            is_known: false,
        };
        let reply = workspace.perform(now, arrival);
        let made = workspace
            .truth
            .named(name)
            .map(|(id, segment)| (id.to_owned(), segment.clone()));
        if let Some((id, segment)) = made.filter(|(_, segment)| segment.kind != SegmentKind::Filter) {
            workspace.made_by_hand.insert(id, segment.people);
        }
        reply.status == 202
    }

    /// Does something to a segment, whoever made it.
    pub(crate) fn act(&self, workspace: &mut Workspace, now: Timestamp) {
        let mut random = self.random.lock().unwrap();
        let ids: Vec<String> = workspace.truth.segments.keys().cloned().collect();
        let Some(id) = random.pick(&ids) else { return };
        let is_archived = workspace.truth.segments[id].is_archived;
        let edit = match random.below(8) {
            0 => {
                return self.make_stranger(workspace, now);
            }
            1 | 2 => json!({"id": id, "name": self.fresh.name("touched")}),
            3..=5 => json!({"id": id, "included_filters": filters(self.fresh.number())}),
            _ => json!({"id": id, "archived": !is_archived}),
        };
        workspace.edit(now, &edit);
    }
}

fn filters(amount: i64) -> Value {
    json!({"filter_operator": "and", "filters": [{
        "filter_type": "user_attributes", "name": "spend", "data_type": "double", "operator": "greaterThan",
        "value": amount, "negate": false,
    }]})
}
