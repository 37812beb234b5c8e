//! From an operation and a job's input to the request that is sent.

use std::borrow::Cow;
use std::collections::BTreeSet;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Map, Value};
use stockade_policies::{HttpBody, HttpSettings};

use super::place::Place;
use super::send::Message;

/// An input from which no request can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRequest {
    #[error("the registry names no `base_url` for the service")]
    NoBase,
    #[error("the path `{path}` needs `{field}`, which is missing in the input or neither text nor number")]
    Parameter { path: String, field: String },
    #[error(
        "`{field}` of the input cannot stand in a path: {why}, and servers differ in what they take that for"
    )]
    Unsafe { field: String, why: &'static str },
    #[error(
        "`{0}` of the input is an object, which neither a query nor a form can hold; send it as `body: json`"
    )]
    Nested(String),
    #[error(
        "`{0}` of the input is fixed in the path of the operation, and servers differ in which of two they take; leave it out"
    )]
    Fixed(String),
    #[error("the input is no object, and only the fields of one can stand in a path, a query or a form")]
    NotFields,
    #[error("the request would go to no place that requests may go to: {0}")]
    NoPlace(#[from] super::place::NoPlace),
    #[error("`{0}` is no header field that can be sent")]
    Header(String),
    #[error("the body has {size} bytes, the policy's `http.request_kb` allows {max}")]
    TooLarge { size: usize, max: usize },
}

/// The request that `settings` make of `input`. Fields that the path takes do not stand in query or body as well.
pub(super) fn build(
    settings: &HttpSettings,
    input: &Value,
    max: usize,
) -> Result<(Message, Place), NoRequest> {
    let base = settings.base_url().ok_or(NoRequest::NoBase)?;
    let (path, taken) = fill(settings.path.as_deref().unwrap_or_default(), input)?;
    let mut url =
        format!("{}{path}", base.strip_suffix('/').filter(|_| path.starts_with('/')).unwrap_or(base));
    if settings.body() != HttpBody::Json {
        check_fixed(&path, input, &taken)?;
    }
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let body = match settings.body() {
        HttpBody::Query => {
            let query = encoded(input, &taken)?;
            if !query.is_empty() {
                url.push(if path.contains('?') { '&' } else { '?' });
                url.push_str(&query);
            }
            None
        }
        HttpBody::Form => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            Some(encoded(input, &taken)?.into_bytes())
        }
        HttpBody::Json => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Some(without(input, &taken).to_string().into_bytes())
        }
    };
    let mut stated = HeaderMap::new();
    for (name, value) in settings.headers() {
        let bad = || NoRequest::Header(name.to_owned());
        let field = HeaderName::try_from(name).map_err(|_| bad())?;
        stated.insert(field, HeaderValue::try_from(value).map_err(|_| bad())?);
    }
    let size = body.as_ref().map_or(url.len(), Vec::len);
    if size > max {
        return Err(NoRequest::TooLarge { size, max });
    }
    let method = Method::from_bytes(settings.method().as_bytes()).unwrap_or(Method::POST);
    Ok((Message { method, headers, stated, body }, Place::parse(&url)?))
}

/// The path with its `{parameters}` filled in, and which fields those were.
fn fill(path: &str, input: &Value) -> Result<(String, BTreeSet<String>), NoRequest> {
    let mut filled = String::new();
    let mut taken = BTreeSet::new();
    let mut rest = path;
    while let Some((before, (field, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        let missing = || NoRequest::Parameter { path: path.to_owned(), field: field.to_owned() };
        let value =
            input.get(field).and_then(scalar).filter(|value| !value.is_empty()).ok_or_else(missing)?;
        if let Some(why) = unsafe_in_path(&value) {
            return Err(NoRequest::Unsafe { field: field.to_owned(), why });
        }
        filled.push_str(before);
        filled.push_str(&percent(&value));
        taken.insert(field.to_owned());
        rest = after;
    }
    filled.push_str(rest);
    let dots = |segment: &str| matches!(segment, "." | "..");
    match filled.split(['/', '?']).any(dots) && !taken.is_empty() {
        true => {
            Err(NoRequest::Unsafe { field: taken.into_iter().collect(), why: "it makes `.` or `..` of it" })
        }
        false => Ok((filled, taken)),
    }
}

/// What the registry's path says in its query, the input cannot say as well: in another query, or in a form, which many
/// servers read into one map. Servers that take `a[]` for `a`, or `A`, are thought of too.
fn check_fixed(path: &str, input: &Value, taken: &BTreeSet<String>) -> Result<(), NoRequest> {
    let name = |field: &str| field.split('[').next().unwrap_or_default().to_ascii_lowercase();
    let query = path.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let fixed = Url::parse(&format!("http://fixed.example/?{query}"));
    let fixed = fixed.map_err(|_| super::place::NoPlace::NoUrl)?;
    let fixed: BTreeSet<String> = fixed.query_pairs().map(|(field, _)| name(&field)).collect();
    let mut fields = input.as_object().into_iter().flat_map(Map::keys);
    match fields.find(|field| !taken.contains(*field) && fixed.contains(&name(field))) {
        Some(field) => Err(NoRequest::Fixed(field.clone())),
        None => Ok(()),
    }
}

/// Encoded, these are data to one server and syntax to the next.
fn unsafe_in_path(value: &str) -> Option<&'static str> {
    match value {
        _ if value.contains(['/', '\\']) => Some("it has a slash"),
        _ if value.chars().any(char::is_control) => Some("it has a control character"),
        "." | ".." => Some("it is `.` or `..`"),
        _ => None,
    }
}

/// A value as text, if it is not made of others.
fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(truth) => Some(truth.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `application/x-www-form-urlencoded`, a list as its field once for each element, null left out. A space is `%20`,
/// which every reader of it takes.
fn encoded(input: &Value, taken: &BTreeSet<String>) -> Result<String, NoRequest> {
    let none = Map::new();
    let fields = match input {
        Value::Object(fields) => fields,
        Value::Null => &none,
        _ => return Err(NoRequest::NotFields),
    };
    let mut pairs = Vec::new();
    for (field, value) in fields.iter().filter(|(field, value)| !taken.contains(*field) && !value.is_null()) {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for value in values {
            let value = scalar(value).ok_or_else(|| NoRequest::Nested(field.clone()))?;
            pairs.push(format!("{}={}", percent(field), percent(&value)));
        }
    }
    Ok(pairs.join("&"))
}

fn without<'a>(input: &'a Value, taken: &BTreeSet<String>) -> Cow<'a, Value> {
    match input {
        Value::Null => Cow::Owned(Value::Object(Map::new())),
        Value::Object(fields) if !taken.is_empty() => {
            let rest = fields.iter().filter(|(field, _)| !taken.contains(*field));
            Cow::Owned(Value::Object(rest.map(|(field, value)| (field.clone(), value.clone())).collect()))
        }
        other => Cow::Borrowed(other),
    }
}

/// Everything but the unreserved characters of RFC 3986, 2.3, percent-encoded.
pub(super) fn percent(text: &str) -> String {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.extend(['%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stockade_policies::{Capabilities, Environment, Library, Registry, Runner};

    use super::*;

    fn settings(method: &str, path: &str, body: &str) -> HttpSettings {
        let text = format!(
            "services: {{api: {{base_url: 'https://api.example.com/v1/', operations: \
             {{call: {{method: {method}, path: '{path}', body: {body}}}}}}}}}"
        );
        let library = Library::shipped().unwrap();
        let can = Capabilities::new().runner("http", &["http", "resource_limits"]);
        let registry = Registry::parse("services.yaml", &text, &library, Environment::Production, &can);
        let registry = registry.unwrap_or_else(|found| panic!("{found}"));
        match registry.operation("api", "call").unwrap().runner() {
            Runner::Http(action) => action.settings().clone(),
            other => panic!("{other:?}"),
        }
    }

    fn url(path: &str, body: &str, input: &Value) -> Result<String, NoRequest> {
        build(&settings("GET", path, body), input, 1000).map(|(_, place)| place.url().to_string())
    }

    #[test]
    fn a_parameter_is_one_segment_whatever_is_in_it() {
        let filled = |value| url("/charges/{id}/lines", "query", &json!({"id": value}));
        assert_eq!(
            filled("ch 1?a=b#c%;ü").unwrap(),
            "https://api.example.com/v1/charges/ch%201%3Fa%3Db%23c%25%3B%C3%BC/lines"
        );
        assert_eq!(
            url("/charges/{id}", "query", &json!({"id": 7})).unwrap(),
            "https://api.example.com/v1/charges/7"
        );
        for hostile in
            ["../admin", "..", ".", "a/b", "a\\b", "a\0b", "a\r\nb", "", "a%2fb", "..;x", "%2e%2e", "%00"]
        {
            assert!(filled(hostile).is_err(), "{hostile:?}");
        }
        let both = json!({"a": ".", "b": "x"});
        assert!(url("/{a}{b}", "query", &both).is_err());
        assert!(url("/.{b}", "query", &json!({"b": "."})).is_err());
        assert!(url("/charges/{id}", "query", &json!({})).is_err());
        assert!(url("/charges/{id}", "query", &json!({"id": {"a": 1}})).is_err());
    }

    #[test]
    fn the_rest_of_the_input_is_query_form_or_json() {
        let input = json!({"id": "x", "q": "a&b=c d", "tag": ["1", 2], "none": null, "yes": true});
        assert_eq!(
            url("/find/{id}?fixed=1", "query", &input).unwrap(),
            "https://api.example.com/v1/find/x?fixed=1&q=a%26b%3Dc%20d&tag=1&tag=2&yes=true"
        );
        let body = |body| {
            let (message, _) = build(&settings("POST", "/find/{id}", body), &input, 1000).unwrap();
            String::from_utf8(message.body.unwrap()).unwrap()
        };
        assert_eq!(body("form"), "q=a%26b%3Dc%20d&tag=1&tag=2&yes=true");
        assert_eq!(body("json"), r#"{"none":null,"q":"a&b=c d","tag":["1",2],"yes":true}"#);
        let nested = url("/", "query", &json!({"a": {"b": 1}}));
        assert_eq!(nested, Err(NoRequest::Nested("a".to_owned())));
        assert_eq!(url("/", "query", &json!([1])), Err(NoRequest::NotFields));
    }

    #[test]
    fn what_the_path_fixes_the_input_does_not_say_again() {
        let path = "/list?scope=own&q%5B%5D=1#x";
        for field in ["scope", "Scope", "scope[]", "q", "q[0]"] {
            for body in ["query", "form"] {
                let input = json!({field: "all"});
                let made = build(&settings("POST", path, body), &input, 1000);
                assert_eq!(made.unwrap_err(), NoRequest::Fixed(field.to_owned()), "{field}");
            }
        }
        assert!(url(path, "query", &json!({"scopes": "all"})).is_ok());
        let taken = url("/list?scope={scope}", "query", &json!({"scope": "a&b"}));
        assert_eq!(taken.unwrap(), "https://api.example.com/v1/list?scope=a%26b");
    }

    #[test]
    fn more_than_the_policy_allows_is_not_sent() {
        let build = |text: &str| build(&settings("POST", "/", "json"), &json!({"a": text}), 100);
        assert!(build(&"x".repeat(92)).is_ok());
        assert_eq!(build(&"x".repeat(93)).unwrap_err(), NoRequest::TooLarge { size: 101, max: 100 });
    }
}
