//! Regular expressions (ECMA-262) for the texts of policies.

/// A form that a text must have.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) pattern: &'static str,
    /// In words: editors show it instead of the expression.
    pub(super) what: &'static str,
}

/// An absolute path without `.`, `..`, empty components, control characters.
pub(super) const ABSOLUTE: Form = Form {
    pattern: r"^(/(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f*?$]+)+$",
    what: "an absolute path without `.`, `..`, `//`; nothing in it is expanded",
};
/// The same, relative; or `*`.
pub(super) const OUTPUT: Form = Form {
    pattern: r"^(\*|(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f*?\[]+(/(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f*?\[]+)*)$",
    what: "a path relative to `/job`, or `*`",
};
/// A name of a policy.
pub(super) const POLICY_NAME: Form = Form {
    pattern: r"^[a-z][a-z0-9-]{0,63}$",
    what: "lower-case letters, digits and `-`, a letter first, at most 64",
};
/// A name of a service or operation.
pub(super) const NAME: Form =
    Form { pattern: r"^[A-Za-z0-9_.-]{1,128}$", what: "letters, digits, `_`, `-` and `.`, at most 128" };
/// An execution type.
pub(super) const EXECUTION_TYPE: Form = Form {
    pattern: r"^[a-z][a-z0-9_]{0,31}$",
    what: "lower-case letters, digits and `_`, a letter first, at most 32",
};
/// A whole number of a unit of size.
pub(super) const SIZE: Form =
    Form { pattern: r"^[0-9]+([KMGT]iB)$", what: "a size such as `512MiB` or `1GiB`" };
/// The larger units first, each at most once.
pub(super) const TIME: Form = Form {
    pattern: r"^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$",
    what: "a time such as `90s`, `1m30s` or `2h`",
};
/// A variable that does not steer the dynamic loader.
pub(super) const VARIABLE: Form = Form {
    pattern: r"^(?!LD_)(?!GLIBC_TUNABLES$)[A-Za-z_][A-Za-z0-9_]*$",
    what: "the name of an environment variable that does not steer the dynamic loader",
};
/// A host, or `*.` and a host below a top-level domain, and a port.
pub(super) const HOST: Form = Form {
    pattern: r"^(?![0-9.]+:)(?!([^:]*\.)?localhost:)(\*\.(?=[^:]*\.))?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*:[1-9][0-9]{0,4}$",
    what: "`host:port` in lower case, perhaps with `*.` before it",
};
/// An address in decimal or in brackets, perhaps a prefix, a port.
pub(super) const ADDRESS: Form = Form {
    pattern: r"^(([0-9]{1,3}\.){3}[0-9]{1,3}|\[[0-9A-Fa-f:.]+\])(/[1-9][0-9]{0,2})?:[1-9][0-9]{0,4}$",
    what: "an address and a port such as `192.0.2.7:443`, `192.0.2.0/24:443` or `[2001:db8::]/32:443`",
};
/// A name without tag, and a digest.
pub(super) const IMAGE: Form = Form {
    pattern: r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]{1,5}(?=/))?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*@sha256:[0-9a-f]{64}$",
    what: "an image by digest: `NAME@sha256:…`",
};
/// A function with its version or alias, or the address of one revision.
pub(super) const FUNCTION: Form = Form {
    pattern: r"^(arn:aws(-cn|-us-gov)?:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}:[A-Za-z0-9_-]+|https://[a-z0-9][a-z0-9-]*---[a-z0-9][a-z0-9.-]*\.run\.app(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*)$",
    what: "`arn:aws:lambda:REGION:ACCOUNT:function:NAME:VERSION` or `https://TAG---SERVICE-PROJECT.REGION.run.app`",
};
/// Plain components of a URL's path.
pub(super) const PREFIX: Form = Form {
    pattern: r"^/(?!/)(?!.*//)(?!(.*/)?\.{1,2}(/|$))[^\u0000-\u0020\u007f-\uffff%\\?#*;]*$",
    what: "the start of a path, such as `/v1/charges`",
};
/// A field that does not frame the message.
pub(super) const HEADER: Form = Form {
    pattern: r"^(?!proxy-)(?!(connection|content-length|expect|forwarded|host|http2-settings|keep-alive|te|trailer|transfer-encoding|upgrade|via)$)[a-z0-9!#$%&'*+.^_`|~-]{1,128}$",
    what: "the name of a header field in lower case that does not frame the message",
};
/// A reference, never the secret.
pub(super) const SECRET: Form = Form {
    pattern: r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:(/(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f]+)+|credential:[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127})$",
    what: "`env:NAME`, `file:/PATH` or `credential:NAME`; the secret itself never stands here",
};
/// A word of SpecQL's short form of a schema.
pub(super) const TYPE: Form = Form {
    pattern: r"^\s*(text|string|integer|decimal|number|boolean|date|timestamp|uuid|json|list|object|list\(.+\)|enum\(\s*[^,\s].*\)|ref\(\s*[A-Za-z0-9_.]+\s*\))\s*\??$",
    what: "a type: `text`, `integer`, `list(TYPE)`, `enum(a, b)`, … and a `?` if it is optional",
};
