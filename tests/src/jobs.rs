//! Jobs as SpecQL's generated functions hand them in, and what became of them.

use std::time::Duration;

use serde_json::Value;

use crate::database::{Database, literal};
use crate::wait::polled;

/// No job of these tests takes longer, retries included.
const PATIENCE: Duration = Duration::from_secs(40);

impl Database {
    /// Hands in a job with its input and nothing else; the answer is its id.
    pub fn submit(&self, service: &str, operation: &str, input: &Value) -> String {
        self.submit_with(service, operation, input, &[])
    }

    /// Hands in a job with more columns: a text, a number, or an object for a column of JSON.
    pub fn submit_with(
        &self,
        service: &str,
        operation: &str,
        input: &Value,
        more: &[(&str, Value)],
    ) -> String {
        self.try_submit(service, operation, input, more).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`Database::submit_with`] for a row that may be refused.
    ///
    /// # Errors
    /// What the database says.
    pub fn try_submit(
        &self,
        service: &str,
        operation: &str,
        input: &Value,
        more: &[(&str, Value)],
    ) -> Result<String, String> {
        let mut columns = vec!["service_name", "operation", "input_data"];
        let mut values = vec![literal(service), literal(operation), literal(&input.to_string())];
        if !more.iter().any(|(column, _)| *column == "execution_type") {
            columns.push("execution_type");
            values.push(literal("shell"));
        }
        if !more.iter().any(|(column, _)| *column == "identifier") {
            columns.push("identifier");
            values.push("gen_random_uuid()::text".to_owned());
        }
        for (column, value) in more {
            columns.push(column);
            values.push(match value {
                Value::String(text) => literal(text),
                other => literal(&other.to_string()),
            });
        }
        let (columns, values) = (columns.join(", "), values.join(", "));
        self.try_sql(&format!("INSERT INTO jobs.tb_job_run ({columns}) VALUES ({values}) RETURNING id"))
    }

    /// The row of a job.
    pub fn job(&self, id: &str) -> Value {
        let mut rows = self.rows(&format!("SELECT * FROM jobs.tb_job_run WHERE id = {}", literal(id)));
        assert_eq!(rows.len(), 1, "job {id}");
        rows.remove(0)
    }

    /// The rows of its attempts, the first one first.
    pub fn attempts(&self, id: &str) -> Vec<Value> {
        self.rows(&format!(
            "SELECT * FROM jobs.tb_job_attempt WHERE job_id = {} ORDER BY attempt",
            literal(id)
        ))
    }

    /// What the record has of it, in order.
    pub fn events(&self, id: &str) -> Vec<Value> {
        self.rows(&format!("SELECT * FROM audit.tb_event WHERE job_id = {} ORDER BY seq", literal(id)))
    }

    /// The first place where the record does not hold.
    pub fn broken_record(&self) -> Vec<Value> {
        self.rows("SELECT * FROM audit.verify()")
    }

    /// Waits until a job is over, and answers with its row.
    pub fn ended(&self, id: &str) -> Value {
        let job = self.until(id, PATIENCE, is_final);
        assert!(job.get("completed_at").is_some_and(Value::is_string), "when it ended is on its row: {job}");
        job
    }

    /// Runs a job to its end.
    pub fn run(&self, service: &str, operation: &str, input: &Value) -> Value {
        self.ended(&self.submit(service, operation, input))
    }

    /// Waits until the row of a job is as it should be.
    pub fn until(&self, id: &str, within: Duration, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let asked = polled(within, || {
            last = self.job(id);
            is_so(&last).then(|| last.clone())
        });
        asked.unwrap_or_else(|| panic!("job {id} is not as it should be: {last}"))
    }
}

/// Whether nothing will become of a job any more. `failed` with attempts left waits for a retry.
pub fn is_final(job: &Value) -> bool {
    match job.get("status").and_then(Value::as_str) {
        Some("completed" | "cancelled") => true,
        Some("failed") => {
            job.get("attempts").and_then(Value::as_i64) >= job.get("max_attempts").and_then(Value::as_i64)
        }
        _ => false,
    }
}

/// The bytes of a `bytea` column, as `row_to_json` writes it.
pub fn bytes(column: &Value) -> Vec<u8> {
    let hex = column.as_str().and_then(|text| text.strip_prefix("\\x")).expect("a bytea");
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).expect("hex")).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair.iter().fold(0, |all, digit| all * 16 + digit)).expect("a byte"))
        .collect()
}
