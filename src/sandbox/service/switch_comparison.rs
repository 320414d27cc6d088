//! Copies of the service that have one other switch value and receive the same requests. As long as a copy answers the
//! same, no caller can tell which of the two values is set.

use super::Service;
use crate::sandbox::settings::SandboxSettings;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(super) struct ShadowService {
    switch: SwitchValue,
    /// `None` once it has answered differently.
    service: Option<Service>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct SwitchValue {
    name: String,
    value: Value,
}

impl ShadowService {
    /// A copy of `service` with `settings`, in which only the switch `name` differs.
    pub(super) fn new(service: &Service, name: &str, settings: SandboxSettings) -> Self {
        let switch = SwitchValue {
            name: name.to_owned(),
            value: json!(settings)[name].take(),
        };
        let mut service = service.clone();
        service.state.apply_settings(settings);
        Self {
            switch,
            service: Some(service),
        }
    }

    pub(super) fn drop_unless(&mut self, answers_same: impl FnOnce(&mut Service) -> bool) {
        if self
            .service
            .as_mut()
            .is_some_and(|service| !answers_same(service))
        {
            self.service = None;
        }
    }

    /// The switch, if a response or the stored data differs from those of `service`.
    pub(super) fn distinguished_switch(&self, service: &Service) -> Option<&SwitchValue> {
        let is_same = self
            .service
            .as_ref()
            .is_some_and(|shadow| shadow.state.has_same_data_as(&service.state));
        (!is_same).then_some(&self.switch)
    }
}
