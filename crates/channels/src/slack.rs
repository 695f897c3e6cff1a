//! Slack, by incoming webhook or chat.postMessage.
