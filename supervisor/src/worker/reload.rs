//! Taking new rules into force while jobs run.

use std::sync::Arc;

use serde_json::{Value, json};
use stockade_policies::{Diagnostic, Diagnostics};

use super::Shared;
use super::persist::NotRecorded;
use crate::rules::{Loaded, Rulebook, RulesVersion, Trigger};
use crate::runner::JobRunner;
use crate::store::Event;

/// More findings are neither logged nor recorded; `stockade policy check` shows all of them.
const SHOWN_MAX: usize = 20;

/// Reads the rules again whenever there is reason to, until the task is ended.
pub(super) async fn run(shared: Arc<Shared>, mut rules: Rulebook) {
    loop {
        let trigger = rules.changed().await;
        let done = match rules.read().await {
            Ok(loaded) => take(&shared, &rules, trigger, loaded).await,
            Err(found) => refuse(&shared, &rules, trigger, &found).await,
        };
        if let Err(error) = done {
            tracing::error!(%error, "the rules were read again, and it is not on record; the old ones stay in force");
        }
    }
}

/// Puts rules in force, if they are others than those in force. What is not on record is not in force.
async fn take(
    shared: &Shared,
    rules: &Rulebook,
    trigger: Trigger,
    loaded: Loaded,
) -> Result<(), NotRecorded> {
    let Some(version) = rules.next(loaded) else {
        tracing::debug!(trigger = trigger.as_str(), "the rules are as they were");
        return Ok(());
    };
    let before = rules.current();
    let body = json!({
        "trigger": trigger.as_str(), "rules": version.facts(), "before": before.facts(),
        "services": version.registry().services().count(),
    });
    record(shared, "rules.reloaded", body).await?;
    let facts = version.facts().clone();
    rules.put_in_force(version);
    shared.runners.iter().for_each(JobRunner::rules_changed);
    tracing::info!(
        version = facts.version,
        registry_sha256 = %facts.registry_sha256,
        policies_sha256 = %facts.policies_sha256,
        trigger = trigger.as_str(),
        "new rules are in force"
    );
    Ok(())
}

async fn refuse(
    shared: &Shared,
    rules: &Rulebook,
    trigger: Trigger,
    found: &Diagnostics,
) -> Result<(), NotRecorded> {
    let current: Arc<RulesVersion> = rules.current();
    let errors: Vec<&Diagnostic> = found.errors().collect();
    for error in errors.iter().take(SHOWN_MAX) {
        let (file, help) = (error.file.as_ref(), error.help.as_deref());
        tracing::error!(file, line = error.line, column = error.column, help, "{}", error.message);
    }
    tracing::error!(
        errors = errors.len(),
        in_force = current.facts().version,
        trigger = trigger.as_str(),
        "the new rules are refused; the old ones stay in force; `stockade policy check` shows each error in its line"
    );
    let shown: Vec<Value> = errors.iter().take(SHOWN_MAX).map(|error| json!(error)).collect();
    let body = json!({
        "trigger": trigger.as_str(), "in_force": current.facts(), "error_count": errors.len(), "errors": shown,
    });
    record(shared, "rules.refused", body).await
}

async fn record(shared: &Shared, kind: &str, body: Value) -> Result<(), NotRecorded> {
    let event = Event {
        kind: kind.to_owned(),
        worker: Some(shared.id()),
        job: None,
        attempt: None,
        tenant: None,
        body,
    };
    shared.persist(|| shared.store.record(&event)).await
}
