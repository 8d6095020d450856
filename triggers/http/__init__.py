"""HTTP APIs, REST APIs and function URLs: the direct way to run a function, by a request over HTTP."""

from triggers.http.authorizers import Authorizer as Authorizer
from triggers.http.cors import Cors as Cors
from triggers.http.function_url import FunctionUrl as FunctionUrl
from triggers.http.http_api import HttpApi as HttpApi
from triggers.http.message import Response as Response
from triggers.http.rest_api import RestApi as RestApi
from triggers.http.serving import serve as serve
from triggers.http.streaming import StreamBroken as StreamBroken
