"""S3: buckets that keep objects and send events."""

from triggers.s3.bucket import Bucket
from triggers.s3.service import S3

__all__ = ["S3", "Bucket"]
