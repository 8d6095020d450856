"""The filter-policy and event-pattern language of SNS, EventBridge and event source mappings: pure, and indexed."""
