//! Matches the comment owners of the old text to those of the new text.

use super::super::align::subject_key;
use super::comment_map::{CommentMap, CommentOwner};

/// For each old owner, the new one. A dissolved group gets the first of its remaining filters, a removed owner `None`.
pub(super) fn match_owners(old: &CommentMap<'_>, new: &CommentMap<'_>) -> Vec<Option<usize>> {
    let mut matching = OwnerMatching {
        old,
        new,
        matched: vec![None; old.owners.len()],
    };
    matching.match_unmatched(|matching, left, right| {
        let is_top_level = left.parent.is_none() && right.parent.is_none();
        is_top_level && matching.has_same_top_level_key(left, right)
    });
    // The most certain matches first.
    matching.match_movable(is_equal_filter, OwnerMatching::has_same_comments);
    matching.match_movable(is_equal_filter, OwnerMatching::has_matched_parent);
    matching.match_movable(is_equal_filter, OwnerMatching::has_same_top_level_key);
    matching.match_movable(is_equal_filter, |_, _, _| true);
    matching.match_movable(has_same_subject, OwnerMatching::has_matched_parent);
    matching.match_movable(has_same_subject, OwnerMatching::has_same_top_level_key);
    // The filters of an event's attributes have no meaning outside the event.
    matching.match_unmatched(|matching, left, right| {
        is_equal_filter(left, right) && matching.has_matched_parent(left, right)
    });
    matching.match_unmatched(|matching, left, right| {
        has_same_subject(left, right) && matching.has_matched_parent(left, right)
    });
    matching.match_dissolved_groups();
    matching.matched
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
    /// Matches filters of groups, which may be in another group of the new text.
    fn match_movable(
        &mut self,
        is_same: impl Fn(&CommentOwner<'_>, &CommentOwner<'_>) -> bool,
        is_likely: impl Fn(&Self, &CommentOwner<'_>, &CommentOwner<'_>) -> bool,
    ) {
        self.match_unmatched(|matching, left, right| {
            is_same(left, right) && matching.can_change_group(left) && is_likely(matching, left, right)
        });
    }

    fn match_unmatched(&mut self, is_match: impl Fn(&Self, &CommentOwner<'_>, &CommentOwner<'_>) -> bool) {
        for (index, left) in self.old.owners.iter().enumerate() {
            if self.matched.get(index).copied().flatten().is_some() {
                continue;
            }
            let mut others = self.new.owners.iter().enumerate();
            let new_owner = others
                .find(|(other, right)| !self.matched.contains(&Some(*other)) && is_match(self, left, right));
            if let (Some((new_owner, _)), Some(found)) = (new_owner, self.matched.get_mut(index)) {
                *found = Some(new_owner);
            }
        }
    }

    fn can_change_group(&self, owner: &CommentOwner<'_>) -> bool {
        let parent = owner.parent.and_then(|parent| self.old.owners.get(parent));
        parent.is_some_and(CommentOwner::is_group)
    }

    fn has_matched_parent(&self, left: &CommentOwner<'_>, right: &CommentOwner<'_>) -> bool {
        let parent = left.parent.and_then(|parent| self.matched.get(parent).copied());
        parent
            .flatten()
            .is_some_and(|parent| right.parent == Some(parent))
    }

    fn has_same_comments(&self, left: &CommentOwner<'_>, right: &CommentOwner<'_>) -> bool {
        self.old.comment_texts(left).eq(self.new.comment_texts(right))
    }

    fn has_same_top_level_key(&self, left: &CommentOwner<'_>, right: &CommentOwner<'_>) -> bool {
        left.top_level_key == right.top_level_key
    }

    fn match_dissolved_groups(&mut self) {
        for index in (0..self.old.owners.len()).rev() {
            let is_unmatched = self.matched.get(index) == Some(&None);
            if !is_unmatched || !self.old.owners.get(index).is_some_and(CommentOwner::is_group) {
                continue;
            }
            let mut filters = self.old.owners.iter().zip(&self.matched);
            let filter = filters.find_map(|(owner, matched)| matched.filter(|_| owner.parent == Some(index)));
            if let Some(found) = self.matched.get_mut(index) {
                *found = filter;
            }
        }
    }
}

impl CommentMap<'_> {
    fn comment_texts(&self, owner: &CommentOwner<'_>) -> impl Iterator<Item = &str> {
        let index = self.owners.iter().position(|other| std::ptr::eq(other, owner));
        let comments = self.comments.iter().filter(move |comment| comment.owner == index);
        comments.map(|comment| comment.text)
    }
}
