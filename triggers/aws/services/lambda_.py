"""Lambda: functions from archives and from this program, and everything that is attached to them.

lambda_functions   functions, their code, configuration and tags       lambda_mappings   event source mappings
lambda_versions    versions, aliases, permissions, recursion           lambda_urls       function URLs
lambda_limits      concurrency, asynchronous events, the account       lambda_layers     layers
lambda_invoking    Invoke                                              lambda_packages   archives
"""

from __future__ import annotations

from triggers.aws.services.lambda_functions import Functions
from triggers.aws.services.lambda_invoking import Invoking
from triggers.aws.services.lambda_layers import Layers
from triggers.aws.services.lambda_limits import Limits
from triggers.aws.services.lambda_mappings import EventSourceMappings
from triggers.aws.services.lambda_urls import Urls
from triggers.aws.services.lambda_versions import Versions


class LambdaMap(Functions, Versions, Limits, Invoking, EventSourceMappings, Urls, Layers):
    """Every operation of Lambda that is here. Nothing that is wired over the wire grants a permission by itself."""
