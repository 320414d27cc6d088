//! A cohort or a file segment as files declare it.

use super::members::{self, People};
use segctl::model::{Cohort, CohortKey, Contents, Identifier, IdentifierType, MemberSource, FileSegment, UserListSource};
use serde_json::{Value, json};

/// A list of people.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) people: People,
    pub(crate) former: Vec<People>,
    pub(crate) spelling: Spelling,
    /// Tells cohorts apart.
    pub(crate) number: i64,
}

/// Where and how a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// The members of a cohort, where it is declared.
    Listed { is_long: bool },
    /// Those of a cohort, in a file.
    Local,
    /// The users of a file segment.
    Users,
}

/// Longer than any simulation: a segment that expires cannot be had again.
const EXPIRES_IN_DAYS: u32 = 3650;

impl List {
    /// What a cohort is known by.
    pub(crate) fn key(&self) -> CohortKey {
        CohortKey {
            partner: "acme".to_owned(),
            cohort_id: self.number.to_string(),
        }
    }

    pub(crate) fn contents(&self) -> Contents {
        let members = match self.spelling {
            Spelling::Users => {
                return Contents::File(FileSegment {
                    identifier: Identifier {
                        attribute: "email".to_owned(),
                        kind: IdentifierType::Text,
                    },
                    users: UserListSource::Local(members::file_of(self.people)),
                    expires_in_days: EXPIRES_IN_DAYS,
                    callback_url: None,
                    notify: Vec::new(),
                });
            }
            Spelling::Local => MemberSource::Local(members::file_of(self.people)),
            Spelling::Listed { is_long } => {
                let uids = self.people.numbers().map(|number| members::uid(number, is_long));
                MemberSource::Inline(uids.collect())
            }
        };
        Contents::Cohort(Cohort {
            key: self.key(),
            members,
        })
    }

    /// The call by which somebody else makes such a segment, with other people in it.
    pub(crate) fn made_by_hand(&self, name: &str, people: People, address: &str) -> (&'static str, Value) {
        let key = self.key();
        if self.spelling == Spelling::Users {
            let body = json!({
                "name": name, "attribute_name": "email", "attribute_type": "string", "file_url": address,
                "expiry_time": EXPIRES_IN_DAYS,
            });
            return ("/v2/custom-segments/file-segment", body);
        }
        let is_long = self.spelling == (Spelling::Listed { is_long: true });
        let uid = |number| match self.spelling {
            Spelling::Local => json!({"uid": format!("{number}@example.com")}),
            _ => json!({"uid": members::uid(number, is_long)}),
        };
        let members: Vec<Value> = people.numbers().take(3).map(uid).collect();
        let body = json!({
            "action": "add_members", "partner": key.partner,
            "parameters": {"cohort_name": name, "cohort_id": key.cohort_id, "members": members},
        });
        ("/v1/integrations/cohortsync", body)
    }
}
