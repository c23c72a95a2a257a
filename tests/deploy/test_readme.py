"""The commands of the README deploy stacks that alert."""

from __future__ import annotations

import re

import pytest
from conftest import ACCOUNT, REGION, Stack, disabled_mapping, log_file
from delivery import notify, subject

from local import stack

README = (stack.ROOT / "README.md").read_text()
RECIPES = re.findall(r"^sam deploy --parameter-overrides ((?:.*\\\n)*.*)$", README, flags=re.MULTILINE)


def test_the_readme_has_a_recipe_for_each_kind_of_trail() -> None:
    assert len(RECIPES) == 4


@pytest.mark.parametrize("recipe", RECIPES, ids=range(len(RECIPES)))
def test_a_recipe_of_the_readme_alerts(recipe: str, deployed: Stack) -> None:
    parameters = dict(word.split("=", 1) for word in recipe.replace("\\\n", " ").split())
    bucket = parameters.get("TrailBucketName")
    if bucket:
        deployed.emulator.client("s3").create_bucket(Bucket=bucket)
        notify(deployed, bucket, EventBridgeConfiguration={})
    number = RECIPES.index(recipe)
    outputs = stack.deploy(
        deployed.emulator, stack.BUILD / "template.yaml", f"trailwarden-readme-{number}", BucketSuffix=f"-readme-{number}", **parameters
    )
    organization = f"{parameters.get('OrganizationId', '')}/".lstrip("/")
    key = f"{parameters.get('TrailKeyPrefix', '')}AWSLogs/{organization}{ACCOUNT}/CloudTrail/{REGION}/2026/01/02/a.json.gz"
    recipient = Stack(deployed.emulator, outputs)
    deployed.emulator.client("s3").put_object(Bucket=outputs["TrailBucketName"], Key=key, Body=log_file(disabled_mapping("orders")))
    assert [alert["Subject"] for alert in recipient.alerts()] == [subject("orders")]
    endpoints = {it["Endpoint"] for it in deployed.emulator.client("sns").list_subscriptions()["Subscriptions"] if "@" in it["Endpoint"]}
    assert endpoints >= {parameters["AlertEmail"], parameters["AlarmEmail"]}
