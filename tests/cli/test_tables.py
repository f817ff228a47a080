from ainerd_agent.cli.tables import measurement_table
from tests.workflows.test_report import findings


def test_the_table_has_a_row_per_measurement():
    assert measurement_table(findings()).row_count == 2
