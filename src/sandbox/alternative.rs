//! Services with one other setting that hear the same calls. As long as one answers the same, no caller can tell which
//! of the two settings is in force.

use super::call::{Call, Reply};
use super::service::Service;
use super::settings::Settings;
use serde::Serialize;
use serde_json::Value;

/// A service with one other setting.
#[derive(Clone, Debug)]
pub(super) struct Alternative {
    switch: Switch,
    /// None once it has answered differently.
    service: Option<Service>,
}

/// A switch with a value.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Switch {
    name: String,
    value: Value,
}

impl Alternative {
    /// `service` as it is now, but with `settings`, which have the switch `name` at another value.
    pub(super) fn new(service: &Service, name: &str, settings: Settings) -> Result<Self, serde_json::Error> {
        let value = serde_json::to_value(&settings)?[name].take();
        let mut service = service.clone();
        service.state.set(settings);
        Ok(Self {
            switch: Switch {
                name: name.to_owned(),
                value,
            },
            service: Some(service),
        })
    }

    /// Hears a call that was answered with `reply`.
    pub(super) fn hear(&mut self, call: &Call, reply: &Reply, answer: impl FnOnce(&mut Service) -> Reply) {
        // What is kept shows the settings, and no caller of the API sees it.
        let looks_in = call.method == "GET" && call.path.starts_with("/_sandbox/");
        self.must_be_alike(|service| answer(service) == *reply || looks_in);
    }

    /// Processes a file that `said` came of.
    pub(super) fn process(
        &mut self,
        said: Option<&Value>,
        process: impl FnOnce(&mut Service) -> Option<Value>,
    ) {
        self.must_be_alike(|service| process(service).as_ref() == said);
    }

    fn must_be_alike(&mut self, is_alike: impl FnOnce(&mut Service) -> bool) {
        if self.service.as_mut().is_some_and(|service| !is_alike(service)) {
            self.service = None;
        }
    }

    /// The switch, where an answer was another one, or what is kept for later answers is.
    pub(super) fn told_apart(&self, service: &Service) -> Option<&Switch> {
        let is_alike = self
            .service
            .as_ref()
            .is_some_and(|other| other.state.keeps_what(&service.state));
        (!is_alike).then_some(&self.switch)
    }
}
