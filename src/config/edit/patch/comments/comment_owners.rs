//! Which filter of a new text is which one of an old text.

use super::super::align::subject_key;
use super::comment_map::{CommentMap, CommentOwner};

/// What each old item is in the new text: the new item that it became; of a group that was dissolved, the first of its
/// filters that is left; nothing where it is gone.
pub(super) fn match_owners(old: &CommentMap<'_>, new: &CommentMap<'_>) -> Vec<Option<usize>> {
    let mut homes = OwnerMatching {
        old,
        new,
        matched: vec![None; old.owners.len()],
    };
    homes.match_unmatched(|_, left, right| {
        left.parent.is_none() && right.parent.is_none() && left.top_level_key == right.top_level_key
    });
    // The surest first: the same filter with the same comments, in the same group, on the same side.
    homes.match_unmatched(|homes, left, right| {
        is_equal_filter(left, right) && homes.can_change_group(left) && homes.has_same_comments(left, right)
    });
    homes.match_unmatched(|homes, left, right| {
        is_equal_filter(left, right) && homes.can_change_group(left) && homes.has_matched_parent(left, right)
    });
    homes.match_unmatched(|homes, left, right| {
        is_equal_filter(left, right)
            && homes.can_change_group(left)
            && left.top_level_key == right.top_level_key
    });
    homes.match_unmatched(|homes, left, right| is_equal_filter(left, right) && homes.can_change_group(left));
    homes.match_unmatched(|homes, left, right| {
        has_same_subject(left, right) && homes.can_change_group(left) && homes.has_matched_parent(left, right)
    });
    homes.match_unmatched(|homes, left, right| {
        has_same_subject(left, right)
            && homes.can_change_group(left)
            && left.top_level_key == right.top_level_key
    });
    // The filters of an event's attributes mean nothing outside of it.
    homes.match_unmatched(|homes, left, right| {
        is_equal_filter(left, right) && homes.has_matched_parent(left, right)
    });
    homes.match_unmatched(|homes, left, right| {
        has_same_subject(left, right) && homes.has_matched_parent(left, right)
    });
    homes.match_dissolved_groups();
    homes.matched
}

fn is_equal_filter(left: &CommentOwner<'_>, right: &CommentOwner<'_>) -> bool {
    left.parent.is_some() && right.parent.is_some() && left.value == right.value
}

fn has_same_subject(left: &CommentOwner<'_>, right: &CommentOwner<'_>) -> bool {
    left.parent.is_some() && right.parent.is_some() && subject_key(left.value) == subject_key(right.value)
}

struct OwnerMatching<'h, 'a> {
    old: &'h CommentMap<'a>,
    new: &'h CommentMap<'a>,
    matched: Vec<Option<usize>>,
}

impl OwnerMatching<'_, '_> {
    /// Gives each item without a home the first free new item that is the one.
    fn match_unmatched(&mut self, is_it: impl Fn(&Self, &CommentOwner<'_>, &CommentOwner<'_>) -> bool) {
        for (index, left) in self.old.owners.iter().enumerate() {
            if self.matched.get(index).copied().flatten().is_some() {
                continue;
            }
            let mut others = self.new.owners.iter().enumerate();
            let home = others
                .find(|(other, right)| !self.matched.contains(&Some(*other)) && is_it(self, left, right));
            if let (Some((home, _)), Some(found)) = (home, self.matched.get_mut(index)) {
                *found = Some(home);
            }
        }
    }

    /// Whether the item can stand in any group.
    fn can_change_group(&self, item: &CommentOwner<'_>) -> bool {
        let parent = item.parent.and_then(|parent| self.old.owners.get(parent));
        parent.is_some_and(CommentOwner::is_group)
    }

    fn has_matched_parent(&self, left: &CommentOwner<'_>, right: &CommentOwner<'_>) -> bool {
        let home = left
            .parent
            .and_then(|parent| self.matched.get(parent).copied().flatten());
        home.is_some() && home == right.parent
    }

    fn has_same_comments(&self, left: &CommentOwner<'_>, right: &CommentOwner<'_>) -> bool {
        self.old.comment_texts(left).eq(self.new.comment_texts(right))
    }

    fn match_dissolved_groups(&mut self) {
        for index in (0..self.old.owners.len()).rev() {
            let is_gone = self.matched.get(index) == Some(&None);
            if !is_gone || !self.old.owners.get(index).is_some_and(CommentOwner::is_group) {
                continue;
            }
            let mut parts = self.old.owners.iter().zip(&self.matched);
            let part = parts.find_map(|(item, home)| home.filter(|_| item.parent == Some(index)));
            if let Some(found) = self.matched.get_mut(index) {
                *found = part;
            }
        }
    }
}

impl CommentMap<'_> {
    fn comment_texts(&self, item: &CommentOwner<'_>) -> impl Iterator<Item = &str> {
        let index = self.owners.iter().position(|other| std::ptr::eq(other, item));
        let notes = self.comments.iter().filter(move |note| note.owner == index);
        notes.map(|note| note.text)
    }
}
