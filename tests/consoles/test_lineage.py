"""The picture of where a number comes from."""

from consoles.admin.lineage import picture
from tests.consoles import business

DRAWN = picture(business.lineage())


def test_layers_follow_the_data_and_empty_ones_are_left_out() -> None:
    titles = ["Tables of the product", "Every change of them", "Marts", "Metric"]
    found = [DRAWN.index(f"<h3>{title}</h3>") for title in titles]
    assert found == sorted(found)
    assert DRAWN.count("<h3>") == 4


def test_a_part_says_what_it_reads_its_checks_and_its_sql() -> None:
    assert "<p>Reads commerce__subscriptions</p><p>2 checks</p>" in DRAWN
    assert '<p class="failed">one_row_a_day fails</p>' in DRAWN
    assert "not_null" not in DRAWN
    assert "<pre>sum(mrr_minor)</pre>" in DRAWN


def test_what_people_wrote_is_text_not_markup() -> None:
    assert "MRR &lt;of&gt; a day." in DRAWN
    assert "<pre>select 1 where 1 &lt; 2</pre>" in DRAWN
