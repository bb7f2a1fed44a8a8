"""Pages as oTree's documentation of 5 and 6 teaches them, in our own words: no finding."""

from collections.abc import Mapping
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


MORE = """\
import json
import random
import time

from otree.api import *

doc = 'Roles, arrival, rounds, messages, reports'


class C(BaseConstants):
    NAME_IN_URL = 'market'
    PLAYERS_PER_GROUP = None
    NUM_ROUNDS = 4
    BUYER_ROLE = 'Buyer'
    SELLER_ROLE = 'Seller'
    ENDOWMENT = cu(10)
    TIMEOUT = 30


class Subsession(BaseSubsession):
    is_paid = models.BooleanField(initial=False)


class Group(BaseGroup):
    highest = models.CurrencyField(initial=0)
    leader = models.IntegerField(initial=0)
    deadline = models.FloatField()
    done = models.BooleanField(initial=False)


class Player(BasePlayer):
    choice = models.StringField(choices=[['A', 'Option A'], ['B', 'Option B']])
    rank = models.IntegerField(widget=widgets.RadioSelectHorizontal)
    email = models.StringField(label='Your address', blank=True)
    amount = models.CurrencyField(initial=0, min=0)
    history = models.LongStringField(initial='[]')


class Trial(ExtraModel):
    player = models.Link(Player)
    number = models.IntegerField()
    answer = models.StringField()
    is_correct = models.BooleanField()


def creating_session(subsession):
    subsession.is_paid = subsession.round_number == subsession.session.config.get('paid', 1)
    for p in subsession.get_players():
        p.participant.order = random.sample(range(C.NUM_ROUNDS), C.NUM_ROUNDS)
        for number in range(3):
            Trial.create(player=p, number=number)


def group_by_arrival_time_method(subsession, waiting_players):
    if len(waiting_players) >= 2:
        return waiting_players[:2]
    for player in waiting_players:
        if time.time() - player.participant.wait_start > 60:
            return [player]


def rank_choices(player):
    return [1, 2, 3]


def amount_max(player):
    return C.ENDOWMENT


def email_error_message(player, value):
    if value and '@' not in value:
        return 'An address has an @'


def custom_export(players):
    yield ['session', 'participant', 'amount']
    for p in players:
        yield [p.session.code, p.participant.code, p.amount]


def vars_for_admin_report(subsession):
    return dict(amounts=[p.amount for p in subsession.get_players()])


def set_payoffs(subsession):
    for group in subsession.get_groups():
        for p in group.get_players():
            p.payoff = C.ENDOWMENT - p.amount


def to_dict(trial):
    return dict(number=trial.number, answer=trial.answer)


def live_trials(player, data):
    mine = Trial.filter(player=player)
    if not data:
        return {player.id_in_group: dict(trials=[to_dict(one) for one in mine])}
    kind = data.get('type')
    if kind == 'answer':
        trial = mine[data['number']]
        trial.answer = data['answer']
        trial.is_correct = trial.answer == 'x'
        player.history = json.dumps([to_dict(one) for one in mine])
        answers = dict()
        for other in player.group.get_players():
            answers[other.id_in_group] = dict(trials=len(mine), by=player.id_in_group)
        return answers
    if kind == 'offer' and data['value'] > player.group.highest:
        player.group.highest = data['value']
        player.group.leader = player.id_in_group
    return {0: dict(highest=player.group.highest, leader=player.group.leader)}


class Arrive(WaitPage):
    group_by_arrival_time = True

    @staticmethod
    def is_displayed(player):
        return player.round_number == 1


class Start(Page):
    form_model = 'player'

    @staticmethod
    def get_form_fields(player: Player):
        return ['choice', 'rank'] if player.role == C.BUYER_ROLE else ['choice']

    @staticmethod
    def before_next_page(player: Player, timeout_happened):
        player.participant.vars['started'] = time.time()
        player.group.deadline = time.time() + C.TIMEOUT
        if timeout_happened:
            player.choice = random.choice(['A', 'B'])

    @staticmethod
    def app_after_this_page(player: Player, upcoming_apps):
        if player.field_maybe_none('choice') == 'C':
            return upcoming_apps[0]


class Effort(Page):
    live_method = live_trials
    form_model = 'player'
    form_fields = ['email', 'amount']

    @staticmethod
    def get_timeout_seconds(player: Player):
        return player.group.deadline - time.time()

    @staticmethod
    def is_displayed(player: Player):
        return not player.group.done

    @staticmethod
    def js_vars(player: Player):
        return dict(number=len(Trial.filter(player=player)), mine=player.id_in_group)

    @staticmethod
    def vars_for_template(player: Player):
        return dict(numbers=[1, 2], partner=player.get_others_in_group(), image='a.png')


class All(WaitPage):
    wait_for_all_groups = True
    after_all_players_arrive = set_payoffs
    title_text = 'Please wait'

    @staticmethod
    def vars_for_template(player: Player):
        return dict(x=1)


class End(Page):
    @staticmethod
    def is_displayed(player: Player):
        return player.round_number == C.NUM_ROUNDS

    @staticmethod
    def vars_for_template(player: Player):
        rounds = player.in_all_rounds()
        return dict(total=sum(p.payoff for p in rounds), rounds=rounds)


page_sequence = [Arrive, Start, Effort, All, End]
"""

MORE_TEMPLATES = {
    "Start": "{{ extends 'otree/Page.html' }}\n{{ load otree }}\n{{ block title }}Start, round "
    "{{ subsession.round_number }}{{ endblock }}\n{{ block content }}\n{{ if player.role == "
    "C.BUYER_ROLE and player.id_in_group != 2 }}<b>{{ C.ENDOWMENT }}</b>\n{{ elif not group.done }}"
    "{{ else }}{{ endif }}\n{{ formfield 'choice' label='' }}\n{{ for one in form.choice }}<label>"
    "{{ one }} {{ one.label }}</label>{{ endfor }}{{ form.choice.errors }}\n{{ formfields }}"
    "{{ next_button }}\n{{ endblock }}\n",
    "Effort": "{{ block content }}\n<input type='range' name='amount' min='0' max='10' oninput="
    "'show(this.value)'>\n{{ formfield_errors 'amount' }}{{ formfield 'email' }}\n<table id='all'>"
    "{{ for n in numbers }}<tr><td>{{ n }}</td></tr>{{ empty }}{{ endfor }}</table>\n{{ for p in "
    "partner }}{{ p.id_in_group }}{{ endfor }}\n{{ chat nickname='Me' channel=group.id }}\n"
    '<img src="{{ static image }}">\n<button type="button" id="send">Send</button>\n<script>\n'
    "const cells = document.getElementById('all');\nlet number = js_vars.number;\n"
    "function liveRecv(data) {\n    if (data.trials) { cells.innerHTML = `<tr><td>${data.trials}"
    "</td></tr>`; }\n    if (data.highest === undefined) { return; }\n}\n"
    "document.getElementById('send').addEventListener('click', () => {\n    liveSend({'type': "
    "'offer', 'value': 1 || 2});\n});\nfunction show(value) { console.log(value); }\n"
    "window.addEventListener('DOMContentLoaded', () => liveSend({}));\n</script>\n"
    "{{ next_button }}\n{{ endblock }}\n{{ block styles }}<style>td { color: red }</style>"
    "{{ endblock }}\n",
    "End": "{{ block content }}\n{{ include 'market/rules.html' }}\n{{ with total as sum }}"
    "{{ sum }}{{ endwith }}{{ for p in rounds }}"
    "{{ p.amount|to1 }} {{ p.email|default:'none'|escape }}"
    "{{ endfor }}\n{{ # a comment }}\n{{ endblock }}\n",
    "rules": "<p>{{ C.NUM_ROUNDS }} rounds, {{ session.config.participation_fee }}</p>\n",
    "admin_report": "<p>{{ amounts|json }}</p>\n",
}


@pytest.mark.parametrize("wanted", ["5.4.7", "5.8.5", "5.11.5", "6.0.15"])
def test_roles_arrival_trials_and_reports_give_no_finding(wanted: str, tmp_path: Path) -> None:
    check(wanted, MORE, tmp_path, MORE_TEMPLATES)


@pytest.mark.parametrize("wanted", ["5.8.5", "5.11.5", "6.0.15"])
def test_pages_as_they_are_taught_give_no_finding(wanted: str, tmp_path: Path) -> None:
    check(wanted, CODE, tmp_path)


def test_an_asynchronous_live_method_that_yields_gives_no_finding(tmp_path: Path) -> None:
    code = CODE.replace("def live_offer(", "async def live_offer(")
    check("6.0.15", code.replace("    return {0: answer}", "    yield {0: answer}"), tmp_path)


def check(wanted: str, code: str, folder: Path, templates: Mapping[str, str] = TEMPLATES) -> None:
    (folder / "settings.py").write_text(
        "SESSION_CONFIGS = [dict(name='m', num_demo_participants=2, app_sequence=['market'])]\n"
        "PARTICIPANT_FIELDS = ['expiry']\nROOMS = [dict(name='lab', display_name='Lab')]\n"
    )
    (folder / "requirements.txt").write_text(f"otree=={wanted}\n")
    (folder / "_static").mkdir()
    (folder / "market").mkdir()
    (folder / "market/__init__.py").write_text(code)
    for name, text in templates.items():
        (folder / f"market/{name}.html").write_text(text)
    report = run_checks.examine(folder)
    assert (report.findings, report.remarks) == ((), ())
    assert report.apps == ("market",)
