//! Which filter of a new text is which one of an old text.

use super::super::align::kin;
use super::notes::{Item, Notes};

/// What each old item is in the new text: the new item that it became; of a group that was dissolved, the first of its
/// filters that is left; nothing where it is gone.
pub(super) fn homes(old: &Notes<'_>, new: &Notes<'_>) -> Vec<Option<usize>> {
    let mut homes = Homes {
        old,
        new,
        found: vec![None; old.items.len()],
    };
    homes.pair(|_, left, right| left.parent.is_none() && right.parent.is_none() && left.side == right.side);
    // The surest first: the same filter with the same comments, in the same group, on the same side.
    homes.pair(|homes, left, right| {
        is_same(left, right) && homes.is_free(left) && homes.has_same_notes(left, right)
    });
    homes
        .pair(|homes, left, right| is_same(left, right) && homes.is_free(left) && homes.in_same(left, right));
    homes.pair(|homes, left, right| is_same(left, right) && homes.is_free(left) && left.side == right.side);
    homes.pair(|homes, left, right| is_same(left, right) && homes.is_free(left));
    homes.pair(|homes, left, right| is_kin(left, right) && homes.is_free(left) && homes.in_same(left, right));
    homes.pair(|homes, left, right| is_kin(left, right) && homes.is_free(left) && left.side == right.side);
    // The filters of an event's attributes mean nothing outside of it.
    homes.pair(|homes, left, right| is_same(left, right) && homes.in_same(left, right));
    homes.pair(|homes, left, right| is_kin(left, right) && homes.in_same(left, right));
    homes.dissolve();
    homes.found
}

fn is_same(left: &Item<'_>, right: &Item<'_>) -> bool {
    left.parent.is_some() && right.parent.is_some() && left.value == right.value
}

fn is_kin(left: &Item<'_>, right: &Item<'_>) -> bool {
    left.parent.is_some() && right.parent.is_some() && kin(left.value) == kin(right.value)
}

struct Homes<'h, 'a> {
    old: &'h Notes<'a>,
    new: &'h Notes<'a>,
    found: Vec<Option<usize>>,
}

impl Homes<'_, '_> {
    /// Gives each item without a home the first free new item that is the one.
    fn pair(&mut self, is_it: impl Fn(&Self, &Item<'_>, &Item<'_>) -> bool) {
        for (index, left) in self.old.items.iter().enumerate() {
            if self.found.get(index).copied().flatten().is_some() {
                continue;
            }
            let mut others = self.new.items.iter().enumerate();
            let home =
                others.find(|(other, right)| !self.found.contains(&Some(*other)) && is_it(self, left, right));
            if let (Some((home, _)), Some(found)) = (home, self.found.get_mut(index)) {
                *found = Some(home);
            }
        }
    }

    /// Whether the item can stand in any group.
    fn is_free(&self, item: &Item<'_>) -> bool {
        let parent = item.parent.and_then(|parent| self.old.items.get(parent));
        parent.is_some_and(Item::is_group)
    }

    fn in_same(&self, left: &Item<'_>, right: &Item<'_>) -> bool {
        let home = left
            .parent
            .and_then(|parent| self.found.get(parent).copied().flatten());
        home.is_some() && home == right.parent
    }

    fn has_same_notes(&self, left: &Item<'_>, right: &Item<'_>) -> bool {
        self.old.texts(left).eq(self.new.texts(right))
    }

    fn dissolve(&mut self) {
        for index in (0..self.old.items.len()).rev() {
            let is_gone = self.found.get(index) == Some(&None);
            if !is_gone || !self.old.items.get(index).is_some_and(Item::is_group) {
                continue;
            }
            let mut parts = self.old.items.iter().zip(&self.found);
            let part = parts.find_map(|(item, home)| home.filter(|_| item.parent == Some(index)));
            if let Some(found) = self.found.get_mut(index) {
                *found = part;
            }
        }
    }
}

impl Notes<'_> {
    fn texts(&self, item: &Item<'_>) -> impl Iterator<Item = &str> {
        let index = self.items.iter().position(|other| std::ptr::eq(other, item));
        let notes = self.notes.iter().filter(move |note| note.owner == index);
        notes.map(|note| note.text)
    }
}
