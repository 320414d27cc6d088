use super::super::tests::{TestClient, acquire, name};
use super::*;
use crate::model::IdentifierType;

fn key() -> CohortKey {
    CohortKey {
        partner: "acme".to_owned(),
        cohort_id: "loyalty-1".to_owned(),
    }
}

fn batches(name: &SegmentName, members: &[String]) -> Vec<Vec<String>> {
    let mut batches = MemberBatcher::new(name, &key());
    let full = members.iter().filter_map(|member| batches.push(member.clone()));
    let mut parts: Vec<Vec<String>> = full.collect();
    parts.extend(batches.finish());
    parts
}

fn email() -> Identifier {
    Identifier {
        attribute: "email".to_owned(),
        kind: IdentifierType::Text,
    }
}

/// Sends one of the three writes about members and returns its error.
pub(in super::super) async fn nth_write_error(test: &TestClient, write: usize) -> RequestError {
    let identifier = email();
    let file = UploadParameters {
        url: "https://files.example.com/a.csv",
        identifier: &identifier,
        callback_url: None,
        notify: &[],
    };
    let (name, client) = (name(), &test.client);
    match write {
        0 => {
            let permit = acquire(test, Operation::Upload(name.clone())).await;
            client.upload(permit, &name, file, 90).await.unwrap_err()
        }
        1 => {
            let permit = acquire(test, Operation::ChangeUsers(name.clone(), UserChange::Add)).await;
            client
                .change_users(permit, &name, None, UserChange::Add, file)
                .await
                .unwrap_err()
        }
        _ => {
            let permit = acquire(test, Operation::SyncMembers(name.clone(), MemberChange::Add)).await;
            let members = ["u".to_owned()];
            let synced = client
                .sync_members(permit, &name, &key(), MemberChange::Add, &members)
                .await;
            synced.unwrap_err()
        }
    }
}

fn members(count: usize, length: usize) -> Vec<String> {
    let member = |number: usize| format!("{number:0length$}");
    (0..count).map(member).collect()
}

#[test]
fn members_are_packed_into_as_few_requests_as_possible() {
    let name = SegmentName::new("K\u{e4}ufer");
    let quoted = vec!["\"\\\n\u{1}".to_owned(); 9_000];
    let long = vec!["x".repeat(MAX_SYNC_BODY_BYTES)];
    let table = [
        (members(0, 1), 0),
        (members(1, 1), 1),
        (members(5_000, 10), 1),
        (members(20_000, 10), 4),
        (quoted, 2),
        // MoEngage rejects a member that fits into no request.
        (long, 1),
    ];
    for (members, count) in table {
        let parts = batches(&name, &members);
        assert_eq!(parts.len(), count, "{} members", members.len());
        assert_eq!(parts.concat(), members);
        let length = |part: &[String]| {
            sync_body(&name, &key(), MemberChange::Remove, part)
                .to_string()
                .len()
        };
        assert!(
            parts
                .iter()
                .all(|part| length(part) <= MAX_SYNC_BODY_BYTES || part.len() == 1)
        );
        // No part has room for the first member of the next part.
        for pair in parts.windows(2) {
            let more = [pair[0].as_slice(), &pair[1][..1]].concat();
            assert!(length(&more) + 1 > MAX_SYNC_BODY_BYTES);
        }
    }
}
