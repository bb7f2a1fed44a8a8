"""Pages as oTree's documentation of 5 and 6 teaches them, in our own words: no finding."""

from pathlib import Path

import pytest

from channelsmin.project.doctor import run_checks

CODE = """\
from otree.api import *


class C(BaseConstants):
    NAME_IN_URL = 'market'
    PLAYERS_PER_GROUP = 2
    NUM_ROUNDS = 3
    TEMPLATE = __name__ + '/rules.html'


class Subsession(BaseSubsession):
    pass


class Group(BaseGroup):
    price = models.CurrencyField(initial=0)
    is_over = models.BooleanField(initial=False)


class Player(BasePlayer):
    offer = models.CurrencyField(min=0, max=10, label='Your offer')
    comment = models.LongStringField(blank=True)
    left = models.BooleanField(initial=False)


class Bid(ExtraModel):
    group = models.Link(Group)
    amount = models.CurrencyField()


def creating_session(subsession):
    subsession.group_randomly()


def offer_error_message(player, value):
    if value == 7:
        return 'Not seven'


def set_payoffs(group):
    for player in group.get_players():
        player.payoff = group.price


def live_offer(player, data):
    group = player.group
    if data['type'] == 'offer':
        group.price = data['value']
        Bid.create(group=group, amount=data['value'])
        group.is_over = len(Bid.filter(group=group)) > 3
    answer = dict(price=group.price, is_over=group.is_over)
    return {0: answer}


class Rules(Page):
    timeout_seconds = 60

    @staticmethod
    def is_displayed(player: Player):
        return player.round_number == 1

    @staticmethod
    def before_next_page(player: Player, timeout_happened):
        player.left = timeout_happened


class Offer(Page):
    form_model = 'player'
    form_fields = ['offer', 'comment']

    @staticmethod
    def vars_for_template(player):
        return dict(others=player.get_others_in_group(), rounds=C.NUM_ROUNDS)

    @staticmethod
    def js_vars(player):
        return dict(me=player.id_in_group)

    @staticmethod
    def error_message(player, values):
        if values['offer'] > 9:
            return dict(offer='Too much')

    @staticmethod
    def app_after_this_page(player, upcoming_apps):
        if player.left:
            return upcoming_apps[-1]


class Trade(Page):
    live_method = live_offer

    @staticmethod
    def get_timeout_seconds(player):
        return player.participant.expiry


class Talk(Page):
    @staticmethod
    def live_method(player, data):
        if not data:
            return
        return {other.id_in_group: data for other in player.get_others_in_group()}


class Wait(WaitPage):
    after_all_players_arrive = set_payoffs


class Results(Page):
    @staticmethod
    def vars_for_template(player):
        group = player.group
        return {'paid': group.field_maybe_none('price'), 'mine': player.payoff}


page_sequence = [Rules, Offer, Wait, Trade, Talk, Results]
"""

TEMPLATES = {
    "Rules": "{{ block title }}Rules{{ endblock }}\n{{ block content }}\n{{ include C.TEMPLATE }}\n"
    "{{ next_button }}\n{{ endblock }}\n",
    "rules": "<p>{{ C.NUM_ROUNDS }} rounds</p>\n",
    "Offer": "{{ block content }}\n{{ if rounds > 1 }}<p>{{ rounds }}</p>{{ elif others }}"
    "{{ else }}{{ endif }}\n{{ for other in others }}<b>{{ other.id_in_group }}</b>{{ endfor }}\n"
    "{{ formfield_errors 'offer' }}{{ formfield 'offer' }}{{ formfield 'comment' }}\n{{ chat }}\n"
    "{{ next_button }}\n{{ endblock }}\n{{ block scripts }}\n<script>\n"
    "let me = js_vars.me;\nforminputs.offer.value = me;\n</script>\n{{ endblock }}\n"
    "{{ block styles }}\n<style>b { color: red }</style>\n{{ endblock }}\n",
    "Trade": "{{ block content }}\n<p id='price'>{{ group.price|to2 }}</p>\n"
    "<button type='button' onclick='offer(1)'>1</button>\n<script>\n"
    "function offer(value) { liveSend({type: 'offer', value: value}); }\n"
    "function liveRecv(data) {\n    document.getElementById('price').innerHTML = data.price;\n"
    "    if (data.is_over) { document.getElementById('form').submit(); }\n}\n"
    "document.addEventListener('DOMContentLoaded', (event) => { liveSend({type: 'load'}); });\n"
    "</script>\n{{ endblock }}\n",
    "Talk": "{{ block content }}<input id='text'>\n<button type='button' id='say'>Say</button>\n"
    "<script>\nlet say = document.getElementById('say');\n"
    "say.onclick = function () { liveSend(document.getElementById('text').value); };\n"
    "function liveRecv(data) { console.log(data); }\n</script>\n{{ next_button }}{{ endblock }}\n",
    "Results": "{{ extends 'otree/Page.html' }}\n{{ block content }}\n{{ with paid as x }}{{ x|c }}"
    "{{ endwith }}{{ mine|default:0 }}\n<img src=\"{{ static 'a.png' }}\"/>\n{{ next_button }}\n"
    "{{ endblock }}\n",
}


@pytest.mark.parametrize("wanted", ["5.8.5", "5.11.5", "6.0.15"])
def test_pages_as_they_are_taught_give_no_finding(wanted: str, tmp_path: Path) -> None:
    check(wanted, CODE, tmp_path)


def test_an_asynchronous_live_method_that_yields_gives_no_finding(tmp_path: Path) -> None:
    code = CODE.replace("def live_offer(", "async def live_offer(")
    check("6.0.15", code.replace("    return {0: answer}", "    yield {0: answer}"), tmp_path)


def check(wanted: str, code: str, folder: Path) -> None:
    (folder / "settings.py").write_text(
        "SESSION_CONFIGS = [dict(name='m', num_demo_participants=2, app_sequence=['market'])]\n"
        "PARTICIPANT_FIELDS = ['expiry']\nROOMS = [dict(name='lab', display_name='Lab')]\n"
    )
    (folder / "requirements.txt").write_text(f"otree=={wanted}\n")
    (folder / "_static").mkdir()
    (folder / "market").mkdir()
    (folder / "market/__init__.py").write_text(code)
    for name, text in TEMPLATES.items():
        (folder / f"market/{name}.html").write_text(text)
    report = run_checks.examine(folder)
    assert (report.findings, report.remarks) == ((), ())
    assert report.apps == ("market",)
