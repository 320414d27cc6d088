//! Declared cohorts and file segments.

use super::people::{self, People};
use segctl::model::{
    Cohort, CohortKey, Contents, FileSegment, Identifier, IdentifierType, MemberSource, UserListSource,
};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(crate) struct DeclaredList {
    pub(crate) people: People,
    pub(crate) previous_people: Vec<People>,
    pub(crate) format: ListFormat,
    /// Distinguishes cohorts.
    pub(crate) cohort_number: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListFormat {
    /// Cohort members in the segment's YAML file.
    Inline { is_long: bool },
    /// Cohort members in a file of their own.
    MemberFile,
    /// Users of a file segment.
    UserFile,
}

/// Longer than any simulation: an expired segment cannot be restored.
const EXPIRES_IN_DAYS: u32 = 3650;

impl DeclaredList {
    pub(crate) fn key(&self) -> CohortKey {
        CohortKey {
            partner: "acme".to_owned(),
            cohort_id: self.cohort_number.to_string(),
        }
    }

    pub(crate) fn contents(&self) -> Contents {
        let members = match self.format {
            ListFormat::UserFile => {
                return Contents::File(FileSegment {
                    identifier: Identifier {
                        attribute: "email".to_owned(),
                        kind: IdentifierType::Text,
                    },
                    users: UserListSource::Local(people::list_file_for(self.people)),
                    expires_in_days: EXPIRES_IN_DAYS,
                    callback_url: None,
                    notify: Vec::new(),
                });
            }
            ListFormat::MemberFile => MemberSource::Local(people::list_file_for(self.people)),
            ListFormat::Inline { is_long } => {
                let uids = self.people.numbers().map(|number| people::uid(number, is_long));
                MemberSource::Inline(uids.collect())
            }
        };
        Contents::Cohort(Cohort {
            key: self.key(),
            members,
        })
    }

    /// The path and body of the request with which another tool creates such a segment, with other people in it.
    pub(crate) fn external_create_request(
        &self,
        name: &str,
        people: People,
        address: &str,
    ) -> (&'static str, Value) {
        let key = self.key();
        if self.format == ListFormat::UserFile {
            let body = json!({
                "name": name, "attribute_name": "email", "attribute_type": "string", "file_url": address,
                "expiry_time": EXPIRES_IN_DAYS,
            });
            return ("/v2/custom-segments/file-segment", body);
        }
        let is_long = self.format == (ListFormat::Inline { is_long: true });
        let uid = |number| match self.format {
            ListFormat::MemberFile => json!({"uid": format!("{number}@example.com")}),
            _ => json!({"uid": people::uid(number, is_long)}),
        };
        let members: Vec<Value> = people.numbers().take(3).map(uid).collect();
        let body = json!({
            "action": "add_members", "partner": key.partner,
            "parameters": {"cohort_name": name, "cohort_id": key.cohort_id, "members": members},
        });
        ("/v1/integrations/cohortsync", body)
    }
}
