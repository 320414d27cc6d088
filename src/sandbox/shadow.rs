//! Services with one other setting that hear the same calls. As long as one answers the same, no caller can tell which
//! of the two settings is in force.

use super::http_message::{HttpRequest, HttpResponse};
use super::service::Service;
use super::settings::SandboxSettings;
use serde::Serialize;
use serde_json::Value;

/// A service with one other setting.
#[derive(Clone, Debug)]
pub(super) struct ShadowService {
    switch: SwitchValue,
    /// None once it has answered differently.
    service: Option<Service>,
}

/// A switch with a value.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SwitchValue {
    name: String,
    value: Value,
}

impl ShadowService {
    /// `service` as it is now, but with `settings`, which have the switch `name` at another value.
    pub(super) fn new(
        service: &Service,
        name: &str,
        settings: SandboxSettings,
    ) -> Result<Self, serde_json::Error> {
        let value = serde_json::to_value(&settings)?[name].take();
        let mut service = service.clone();
        service.state.apply_settings(settings);
        Ok(Self {
            switch: SwitchValue {
                name: name.to_owned(),
                value,
            },
            service: Some(service),
        })
    }

    /// Hears a call that was answered with `reply`.
    pub(super) fn compare_response(
        &mut self,
        call: &HttpRequest,
        reply: &HttpResponse,
        answer: impl FnOnce(&mut Service) -> HttpResponse,
    ) {
        // What is kept shows the settings, and no caller of the API sees it.
        let looks_in = call.method == "GET" && call.path.starts_with("/_sandbox/");
        self.drop_unless_same(|service| answer(service) == *reply || looks_in);
    }

    /// Processes a file that `said` came of.
    pub(super) fn compare_callback(
        &mut self,
        said: Option<&Value>,
        process: impl FnOnce(&mut Service) -> Option<Value>,
    ) {
        self.drop_unless_same(|service| process(service).as_ref() == said);
    }

    fn drop_unless_same(&mut self, is_alike: impl FnOnce(&mut Service) -> bool) {
        if self.service.as_mut().is_some_and(|service| !is_alike(service)) {
            self.service = None;
        }
    }

    /// The switch, where an answer was another one, or what is kept for later answers is.
    pub(super) fn distinguished_switch(&self, service: &Service) -> Option<&SwitchValue> {
        let is_alike = self
            .service
            .as_ref()
            .is_some_and(|other| other.state.has_same_data_as(&service.state));
        (!is_alike).then_some(&self.switch)
    }
}
