//! The codes of `chat.postMessage` and of incoming webhooks, one line each.

use postrider_domain::Reason::{
    self, Auth, Forbidden, InvalidMessage, Protocol, RateLimited, Timeout, TooLarge, Unavailable, UnknownRecipient,
};

use super::{
    Class::{self, Misconfigured, Permanent, Throttled, Transient, Unknown},
    Verdict,
};

pub(super) const CODES: &[(&str, Class, Reason)] = &[
    // Too fast. The destination waits; the message is not to blame.
    ("ratelimited", Throttled, RateLimited),
    ("rate_limited", Throttled, RateLimited),
    ("message_limit_exceeded", Throttled, RateLimited),
    // Slack's own trouble.
    ("service_unavailable", Transient, Unavailable),
    ("internal_error", Transient, Unavailable),
    ("rollup_error", Transient, Unavailable),
    ("request_timeout", Transient, Timeout),
    ("external_channel_migrating", Transient, Unavailable),
    ("team_added_to_org", Transient, Unavailable),
    ("fatal_error", Unknown, Unavailable),
    // The recipient.
    ("channel_not_found", Permanent, UnknownRecipient),
    ("channel_is_archived", Permanent, UnknownRecipient),
    ("is_archived", Permanent, UnknownRecipient),
    ("user_not_found", Permanent, UnknownRecipient),
    ("thread_not_found", Permanent, UnknownRecipient),
    ("not_in_channel", Permanent, Forbidden),
    ("restricted_action", Permanent, Forbidden),
    ("action_prohibited", Permanent, Forbidden),
    ("posting_to_general_channel_denied", Permanent, Forbidden),
    ("messages_tab_disabled", Permanent, Forbidden),
    ("cannot_dm_bot", Permanent, Forbidden),
    ("user_is_bot", Permanent, Forbidden),
    ("user_is_restricted", Permanent, Forbidden),
    ("ekm_access_denied", Permanent, Forbidden),
    ("enterprise_is_restricted", Permanent, Forbidden),
    ("channel_type_not_supported", Permanent, Forbidden),
    // The message.
    ("msg_too_long", Permanent, TooLarge),
    ("msg_blocks_too_long", Permanent, TooLarge),
    ("metadata_too_large", Permanent, TooLarge),
    ("too_many_attachments", Permanent, TooLarge),
    ("no_text", Permanent, InvalidMessage),
    ("invalid_blocks", Permanent, InvalidMessage),
    ("invalid_blocks_format", Permanent, InvalidMessage),
    ("invalid_attachments", Permanent, InvalidMessage),
    ("invalid_payload", Permanent, InvalidMessage),
    ("invalid_arguments", Permanent, InvalidMessage),
    ("invalid_arg_name", Permanent, InvalidMessage),
    ("invalid_array_arg", Permanent, InvalidMessage),
    ("invalid_charset", Permanent, InvalidMessage),
    ("invalid_form_data", Permanent, InvalidMessage),
    ("invalid_json", Permanent, InvalidMessage),
    ("invalid_post_type", Permanent, InvalidMessage),
    ("json_not_object", Permanent, InvalidMessage),
    ("missing_post_type", Permanent, InvalidMessage),
    ("missing_charset", Permanent, InvalidMessage),
    ("missing_text_or_fallback", Permanent, InvalidMessage),
    ("missing_text_or_fallback_or_attachments", Permanent, InvalidMessage),
    ("invalid_metadata_format", Permanent, InvalidMessage),
    ("invalid_metadata_schema", Permanent, InvalidMessage),
    ("cannot_reply_to_message", Permanent, InvalidMessage),
    // Our credentials, or the address we post to.
    ("invalid_auth", Misconfigured, Auth),
    ("not_authed", Misconfigured, Auth),
    ("account_inactive", Misconfigured, Auth),
    ("token_revoked", Misconfigured, Auth),
    ("token_expired", Misconfigured, Auth),
    ("missing_scope", Misconfigured, Auth),
    ("no_permission", Misconfigured, Auth),
    ("not_allowed_token_type", Misconfigured, Auth),
    ("access_denied", Misconfigured, Auth),
    ("accesslimited", Misconfigured, Auth),
    ("team_access_not_granted", Misconfigured, Auth),
    ("org_login_required", Misconfigured, Auth),
    ("two_factor_setup_required", Misconfigured, Auth),
    ("invalid_token", Misconfigured, Auth),
    ("no_service", Misconfigured, Auth),
    ("no_service_id", Misconfigured, Auth),
    ("no_active_hooks", Misconfigured, Auth),
    ("no_team", Misconfigured, Auth),
    ("team_disabled", Misconfigured, Auth),
    ("unknown_method", Misconfigured, Protocol),
    ("deprecated_endpoint", Misconfigured, Protocol),
    ("method_deprecated", Misconfigured, Protocol),
];

/// The code in our own spelling, if it is one of the table.
pub(super) fn listed(code: &str) -> Option<&'static str> {
    CODES.iter().map(|(name, ..)| *name).find(|name| *name == code)
}

pub(super) fn verdict(code: &str) -> Option<Verdict> {
    let listed = CODES.iter().find(|(name, ..)| *name == code).map(|(_, class, reason)| (*class, *reason));
    // `restricted_action_read_only_channel`, `…_thread_locked`: Slack adds to this family.
    listed.or_else(|| code.starts_with("restricted_action_").then_some((Permanent, Forbidden)))
}
