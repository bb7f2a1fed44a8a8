(function () {
    'use strict';
    var data = JSON.parse(document.getElementById('data').textContent);
    var releases = data.releases;
    var names = Object.keys(releases);
    var wanted = document.getElementById('wanted');
    var answer = document.getElementById('answer');
    var short = document.getElementById('short');
    var matrix = document.getElementById('matrix');
    var cells = {};
    matrix.querySelectorAll('[role=gridcell]').forEach(function (cell) {
        cells[cell.firstElementChild.getAttribute('href').slice(1)] = cell;
    });

    // Versions and specifiers, as PEP 440 compares them.

    var VERSION = /^v?(\d+(?:\.\d+)*)(?:[-_.]?(a|alpha|b|beta|c|rc)[-_.]?(\d*))?$/i;

    function version(text) {
        var found = VERSION.exec(text);
        if (!found) return null;
        var numbers = found[1].split('.').map(Number);
        var stage = { a: 0, alpha: 0, b: 1, beta: 1, c: 2, rc: 2 }[(found[2] || '').toLowerCase()];
        return { numbers: numbers, pre: found[2] ? [stage, Number(found[3] || 0)] : null };
    }

    function compareNumbers(one, other) {
        for (var place = 0; place < Math.max(one.length, other.length); place++) {
            var difference = (one[place] || 0) - (other[place] || 0);
            if (difference) return difference;
        }
        return 0;
    }

    function compare(one, other) {
        var difference = compareNumbers(one.numbers, other.numbers);
        return difference || compareNumbers(one.pre || [9], other.pre || [9]);
    }

    function beginsWith(it, numbers) {
        return numbers.every(function (number, place) { return (it.numbers[place] || 0) === number; });
    }

    // Each operator: whether the version `it` is allowed by `text`.
    var ALLOWS = {
        '==': function (it, bound) { return compare(it, bound) === 0; },
        '!=': function (it, bound) { return compare(it, bound) !== 0; },
        '>=': function (it, bound) { return compare(it, bound) >= 0; },
        '<=': function (it, bound) { return compare(it, bound) <= 0; },
        '>': function (it, bound) { return compare(it, bound) > 0; },
        '<': function (it, bound) {
            var isItsPre = it.pre && !bound.pre && compareNumbers(it.numbers, bound.numbers) === 0;
            return compare(it, bound) < 0 && !isItsPre;
        },
        '~=': function (it, bound) {
            return compare(it, bound) >= 0 && beginsWith(it, bound.numbers.slice(0, -1));
        }
    };

    function clause(text) {
        var found = /^\s*(===?|~=|!=|<=|>=|<|>)\s*([^\s*]+?)(\.\*)?\s*$/.exec(text);
        var bound = found && version(found[2]);
        if (!bound || (found[1] === '~=' && bound.numbers.length < 2)) return null;
        var operator = found[1] === '===' ? '==' : found[1];
        if (!found[3]) {
            return { pre: Boolean(bound.pre), allows: function (it) { return ALLOWS[operator](it, bound); } };
        }
        if (operator !== '==' && operator !== '!=') return null;
        return { pre: false, allows: function (it) {
            return beginsWith(it, bound.numbers) === (operator === '==');
        } };
    }

    // What was typed.

    function cleaned(text) {
        var shown = /version:\s*([\d.]+(?:(?:a|b|rc)\d+)?)/i.exec(text); // what `pip show otree` prints
        if (shown) return shown[1];
        return text.replace(/(^|\s)#.*$/, '').replace(/;.*$/, '').replace(/\s--hash.*$/, '').replace(/["',\s]+$/, '')
            .replace(/^["'\s]+/, '').replace(/^otree(?:-core)?\s*(?:\[[^\]]*\])?/i, '').replace(/^\s*\(|\)\s*$/g, '').trim();
    }

    function understood(text) {
        var said = cleaned(text);
        if (!text.trim()) return { kind: 'nothing' };
        if (!said && /^\W*otree/i.test(text)) return range('', []);
        if (Object.hasOwn(releases, said.replace(/^v/i, ''))) return { kind: 'release', release: said.replace(/^v/i, '') };
        var clauses = said.split(',').filter(function (part) { return part.trim(); }).map(clause);
        if (clauses.length && clauses.every(Boolean)) return range(said, clauses);
        var begun = said.replace(/\.[*x]?$/i, '');
        var inside = names.filter(function (name) { return name === begun || name.indexOf(begun + '.') === 0; });
        if (/^\d+(\.\d+)?$/.test(begun) && inside.length) return { kind: 'line', name: begun, inside: inside };
        return { kind: 'unknown', said: said };
    }

    function range(said, clauses) {
        var allowed = names.filter(function (name) {
            var it = version(name);
            return clauses.every(function (part) { return part.allows(it); });
        });
        var offered = allowed.filter(function (name) { return !releases[name].yanked; });
        var wantsPre = clauses.some(function (part) { return part.pre; });
        var finals = offered.filter(function (name) { return !releases[name].pre; });
        var choice = wantsPre || !finals.length ? offered : finals;
        if (!allowed.length) return { kind: 'unknown', said: 'otree' + said };
        return { kind: 'range', said: 'otree' + said, allowed: allowed, release: (choice.length ? choice : allowed).slice(-1)[0] };
    }

    // The answer.

    function element(name, text, className) {
        var made = document.createElement(name);
        if (text) made.textContent = text;
        if (className) made.className = className;
        return made;
    }

    function signed(status) {
        var made = element('span', '', 'status');
        var sign = element('span', data.statuses[status].sign, 'sign ' + data.statuses[status].slug);
        sign.setAttribute('aria-hidden', 'true');
        made.append(sign, status);
        return made;
    }

    function table(head, rows) {
        var made = element('table');
        var top = element('tr');
        head.forEach(function (title) {
            var cell = element('th', title);
            cell.scope = 'col';
            top.append(cell);
        });
        var body = element('tbody');
        rows.forEach(function (cells) {
            var row = element('tr');
            cells.forEach(function (content, place) {
                var cell = element(place ? 'td' : 'th');
                if (!place) cell.scope = 'row';
                cell.append(content);
                row.append(cell);
            });
            body.append(row);
        });
        var head_ = element('thead');
        head_.append(top);
        made.append(head_, body);
        var wide = element('div', '', 'wide');
        wide.tabIndex = 0;
        wide.setAttribute('role', 'region');
        wide.setAttribute('aria-label', head[0] + ' table');
        wide.append(made);
        return wide;
    }

    function link(text, to) {
        var made = element('a', text);
        made.href = '#' + encodeURIComponent(to || text);
        return made;
    }

    function copier(title, text) {
        var button = element('button', title);
        button.type = 'button';
        button.addEventListener('click', function () {
            var done = function () { button.textContent = 'Copied'; };
            var failed = function () { button.textContent = 'Select the text and copy it'; };
            if (navigator.clipboard) navigator.clipboard.writeText(text()).then(done, failed);
            else failed();
        });
        return button;
    }

    function commands(release) {
        // On Windows, `python3` may open the Store.
        var run = (/Windows/.test(navigator.userAgent) ? 'py' : 'python3') + ' run.py ';
        var text = [
            run + 'demo ' + release,
            run + 'add ../my_project --otree ' + release,
            run + 'export ' + release + ' ../exported'
        ].join('\n');
        return [
            element('h3', 'Commands, in a clone of this project'),
            element('p', 'The first shows the app in your browser, the second adds it to your project, the third writes a project of its own.'),
            element('pre', text),
            copier('Copy the commands', function () { return text; }),
            copier('Copy a link to this answer', function () { return location.href; })
        ];
    }

    function minded(mind) {
        var parts = [element('dt', mind.title), element('dd', mind.text)];
        if (mind.steps) {
            var how = element('details');
            how.append(element('summary', 'How it is done by hand (rebuild, demo and the suite do it by themselves)'));
            mind.steps.forEach(function (step, place) { how.append(element('pre', (place + 1) + '. ' + step)); });
            parts[1].append(how);
        }
        return parts;
    }

    function either(words) {
        return words.length < 2 ? words.join('') : words.slice(0, -1).join(', ') + ' or ' + words[words.length - 1];
    }

    function isServed(release) { return Boolean(releases[release].variant); }

    function told(release) {
        var it = releases[release];
        if (!it.variant) return 'oTree ' + release + ': no variant serves it.';
        var best = it.runs.filter(function (run) { return run.status.indexOf('pass') === 0; });
        var tested = best.length ? best[0].status + ' on Python ' + best.map(function (run) { return run.python; }).join(', ') :
            it.runs[0].status;
        return 'oTree ' + release + ': take the variant ' + it.variant + ', with Python ' + either(it.pythons) + ' (' + tested + ').';
    }

    function about(release) {
        var it = releases[release];
        var parts = [];
        if (it.yanked) parts.push(element('p', 'It was withdrawn (yanked) from the package index: ' + it.yanked));
        if (isServed(release)) {
            var take = element('p', 'Take ');
            take.append(element('code', 'variants/' + it.variant), ', with Python ' + either(it.pythons) + '.');
            parts.push(take);
        } else parts.push(element('p', 'No variant serves it.'));
        parts.push(table(['Python', 'result', 'run on', 'remarks'], it.runs.map(function (run) {
            return [run.python || 'none', signed(run.status), run.when, run.says];
        })));
        if (it.minds.length) {
            var list = element('dl');
            it.minds.forEach(function (mind) { list.append.apply(list, minded(mind)); });
            parts.push(element('h3', 'What is known not to work, and why'), list);
        }
        if (isServed(release)) parts.push.apply(parts, commands(release));
        parts.push(element('p', it.package + ' ' + release + (it.uploaded ? ', published on ' + it.uploaded : '')));
        return parts;
    }

    function variantsOf(some) {
        var found = [];
        some.forEach(function (name) {
            var variant = releases[name].variant || 'none';
            if (found.indexOf(variant) < 0) found.push(variant);
        });
        return found.join(', ');
    }

    function answered(query) {
        if (query.kind === 'release') return [element('h2', 'oTree ' + query.release)].concat(about(query.release));
        if (query.kind === 'range') {
            var allowed = query.allowed;
            var first = 'It allows ' + allowed.length + (allowed.length === 1 ? ' release, ' : ' releases, from ' + allowed[0] + ' to ') +
                allowed[allowed.length - 1] + ' (variants: ' + variantsOf(allowed) + '). A new installation gets ';
            var said = element('p', first);
            said.append(link(query.release), '; what you have, ', element('code', 'pip show otree'), ' tells.');
            return [element('h2', query.said), said, element('h3', 'oTree ' + query.release)].concat(about(query.release));
        }
        var rows = query.inside.slice().reverse().map(function (name) {
            var results = element('span');
            releases[name].runs.forEach(function (run) {
                results.append(signed(run.status), run.python ? ' on ' + run.python + ' ' : '');
            });
            return [link(name), releases[name].uploaded, releases[name].variant || 'none', results];
        });
        return [element('h2', 'oTree ' + query.name), table(['release', 'published', 'variant', 'results'], rows)];
    }

    function sentence(query) {
        if (query.kind === 'nothing') return '';
        if (query.kind === 'unknown') return query.said + ' is no release of oTree, and no requirement that allows one.';
        if (query.kind === 'line') {
            return 'oTree ' + query.name + ' has ' + query.inside.length + ' releases: ' + variantsOf(query.inside) + '.';
        }
        return told(query.release);
    }

    function show() {
        var query = understood(wanted.value);
        var isAnswer = query.kind !== 'nothing' && query.kind !== 'unknown';
        short.textContent = sentence(query);
        answer.hidden = !isAnswer;
        answer.replaceChildren.apply(answer, isAnswer ? answered(query) : []);
        matrix.querySelectorAll('.here').forEach(function (cell) { cell.classList.remove('here'); });
        if (query.release) cells[query.release].classList.add('here');
        document.title = isAnswer ? (query.said || 'oTree ' + (query.release || query.name)) : 'Which oTree do you have?';
    }

    // The address: #2.3.7 is an answer that can be shared.

    function follow() {
        var named = location.hash.slice(1);
        try { named = decodeURIComponent(named); } catch (error) { /* as it is */ }
        wanted.value = named;
        show();
    }

    window.addEventListener('hashchange', function () {
        follow();
        var title = answer.querySelector('h2');
        if (!title) return;
        title.tabIndex = -1;
        title.focus({ preventScroll: true });
        document.getElementById('short').scrollIntoView();
    });
    wanted.addEventListener('input', function () {
        var text = wanted.value.trim();
        history.replaceState(null, '', text ? '#' + encodeURIComponent(text) : location.pathname + location.search);
        show();
    });
    wanted.form.addEventListener('submit', function (event) { event.preventDefault(); });

    // The matrix: one tab stop, and arrow keys inside.

    var rows = Array.from(matrix.querySelectorAll('[role=row]')).map(function (row) {
        return Array.from(row.querySelectorAll('a'));
    });

    function stop(at) {
        rows.forEach(function (row) { row.forEach(function (one) { one.tabIndex = one === at ? 0 : -1; }); });
    }

    function neighbour(row, place, key) {
        var line = rows[row];
        if (key === 'ArrowRight') return line[Math.min(place + 1, line.length - 1)];
        if (key === 'ArrowLeft') return line[Math.max(place - 1, 0)];
        if (key === 'Home') return line[0];
        if (key === 'End') return line[line.length - 1];
        var next = rows[row + { ArrowDown: 1, ArrowUp: -1 }[key]];
        return next ? next[Math.min(place, next.length - 1)] : line[place];
    }

    matrix.addEventListener('keydown', function (event) {
        if (['ArrowRight', 'ArrowLeft', 'ArrowUp', 'ArrowDown', 'Home', 'End'].indexOf(event.key) < 0) return;
        rows.forEach(function (line, row) {
            var place = line.indexOf(event.target);
            if (place < 0) return;
            event.preventDefault();
            var next = neighbour(row, place, event.key);
            stop(next);
            setTimeout(function () { next.focus(); });
        });
    });
    matrix.addEventListener('focusin', function (event) { if (event.target.href) stop(event.target); });
    document.getElementById('scriptless').hidden = true;
    stop(rows[0][0]);
    follow();
})();
