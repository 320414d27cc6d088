//! Refuses the state of an unreleased segctl.

use super::{StateStore, StoreError, StoreResult};

const OLD_FORMAT_FILES: [&str; 2] = ["ledger.json", "snapshot.json"];

impl StateStore {
    pub(super) async fn reject_old_format(&self) -> StoreResult {
        for file in OLD_FORMAT_FILES {
            if self.storage.get(file).await?.is_some() {
                let location = self.storage.location(file);
                let directory = location
                    .trim_end_matches(file)
                    .trim_end_matches(['/', '\\'])
                    .to_owned();
                return Err(StoreError::OldFormat { directory, file });
            }
        }
        Ok(())
    }
}
