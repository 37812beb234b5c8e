//! Redirects: which are followed.

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, StatusCode};

use super::place::Place;

/// More in a row are a loop, or as good as one.
pub(super) const REDIRECTS_MAX: usize = 5;

/// Why a redirect is not followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotFollowed {
    #[error("it leads from `https` to `http`, where anybody on the way can read and change it")]
    Downgrade,
    #[error("it is the {}th in a row", REDIRECTS_MAX + 1)]
    TooMany,
    #[error("it leads to no place a request may go to: {0}")]
    NoPlace(super::place::NoPlace),
}

/// Where an answer sends a request that goes on unchanged; `None` if it is an answer like any other. What was sent
/// with GET and HEAD may be sent again; with another method only where the server says that the request stays the same
/// (RFC 9110, 15.4.8 and 15.4.9): a POST that turns into a GET is another call than the registry names.
pub(super) fn next(
    status: StatusCode,
    headers: &HeaderMap,
    method: &Method,
    here: &Place,
    followed: usize,
) -> Result<Option<Place>, (String, NotFollowed)> {
    let safe = matches!(*method, Method::GET | Method::HEAD);
    let leads = match status.as_u16() {
        301..=303 => safe,
        307 | 308 => true,
        _ => false,
    };
    let Some(location) = headers.get(LOCATION).filter(|_| leads) else { return Ok(None) };
    let shown = location.as_bytes().escape_ascii().to_string();
    let place = str::from_utf8(location.as_bytes())
        .map_err(|_| super::place::NoPlace::NoUrl)
        .and_then(|location| here.join(location));
    match place {
        Err(wrong) => Err((shown_start(&shown), NotFollowed::NoPlace(wrong))),
        Ok(there) if here.is_tls() && !there.is_tls() => Err((there.to_string(), NotFollowed::Downgrade)),
        Ok(there) if followed >= REDIRECTS_MAX => Err((there.to_string(), NotFollowed::TooMany)),
        Ok(there) => Ok(Some(there)),
    }
}

/// The part of a location that is not its query, and not all of a long one.
fn shown_start(location: &str) -> String {
    location.split(['?', '#']).next().unwrap_or_default().chars().take(96).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(status: u16, method: Method, to: &str) -> Result<Option<String>, NotFollowed> {
        let here = Place::parse("https://a.example/b/c").unwrap();
        let headers = HeaderMap::from_iter([(LOCATION, to.parse().unwrap())]);
        next(StatusCode::from_u16(status).unwrap(), &headers, &method, &here, 0)
            .map(|place| place.map(|place| place.to_string()))
            .map_err(|(_, why)| why)
    }

    #[test]
    fn a_request_goes_on_only_if_it_stays_the_same() {
        let there = Ok(Some("https://a.example:443/d".to_owned()));
        for status in [301, 302, 303, 307, 308] {
            assert_eq!(led(status, Method::GET, "/d"), there, "{status}");
        }
        for status in [301, 302, 303] {
            assert_eq!(led(status, Method::POST, "/d"), Ok(None), "{status}");
        }
        assert_eq!(led(307, Method::POST, "/d"), there);
        assert_eq!(led(304, Method::GET, "/d"), Ok(None));
        assert_eq!(led(200, Method::GET, "/d"), Ok(None));
    }

    #[test]
    fn what_leads_nowhere_or_into_the_open_is_refused() {
        assert_eq!(led(302, Method::GET, "http://a.example/d"), Err(NotFollowed::Downgrade));
        for to in ["file:///etc/passwd", "https://u:p@a.example/", "//localhost/", "https://a.example/x%2f.."]
        {
            assert!(matches!(led(302, Method::GET, to), Err(NotFollowed::NoPlace(_))), "{to}");
        }
    }
}
