CREATE TABLE drawings (
    experiment_id text NOT NULL,
    drawing text NOT NULL,
    checksum bigint
);

CREATE TABLE epochs (
    experiment_id text NOT NULL,
    number integer NOT NULL,
    "time" double precision NOT NULL,
    metrics text NOT NULL,
    record text NOT NULL,
    checksum bigint
);

CREATE TABLE experiments (
    id text NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    objectives text NOT NULL,
    seed text NOT NULL,
    strategy text NOT NULL,
    created double precision NOT NULL,
    updated double precision NOT NULL,
    pid bigint,
    host text,
    version text NOT NULL,
    message text NOT NULL,
    stop_requested boolean NOT NULL,
    tags text NOT NULL,
    config text NOT NULL,
    space text NOT NULL,
    checksum bigint
);

CREATE TABLE intermediates (
    experiment_id text NOT NULL,
    number integer NOT NULL,
    step integer NOT NULL,
    "time" double precision NOT NULL,
    metrics text NOT NULL,
    checksum bigint
);

CREATE TABLE schema_version (
    version integer NOT NULL,
    created double precision NOT NULL
);

CREATE TABLE trials (
    experiment_id text NOT NULL,
    number integer NOT NULL,
    state text NOT NULL,
    metric double precision,
    told_before integer NOT NULL,
    finish_order integer,
    started double precision,
    ended double precision,
    device text,
    fidelity text,
    parent integer,
    violation double precision NOT NULL,
    key text NOT NULL,
    checksum bigint,
    architecture text NOT NULL,
    metrics text,
    failure_kind text,
    failure_message text,
    reason text,
    traceback text,
    output text NOT NULL,
    texts_checksum bigint
);

INSERT INTO drawings VALUES ('e-1.2_3', '{"nodes":[{"label":"op \u2713","x":0.5}],"width":1e+300}', 2783525700);

INSERT INTO epochs VALUES ('e-1.2_3', 3, 1700000002.5, '{"default":0.5,"loss":1e-300}', '{"probabilities":{"op":{"\"conv\"":0.25,"\"skip \u00fc\"":0.75}}}', 1413626147);

INSERT INTO experiments VALUES ('e-1.2_3', 'Größe 🌍', 'stopped', '[["default","minimize"],["flops","minimize"]]', '18446744073709551615', 'RegularizedEvolution(population_size=100)', 1700000000.25, 1796084900.015424, 4194304, 'host', '0.0.1', 'stopped by Ctrl-C', true, '["baseline","gr\u00f6\u00dfer \u2713"]', '{"trial_concurrency":2,"budget":{"z":[1,2.5,null,true],"a":"\u00fc"}}', '{"choices":[{"label":"op","values":["a","b"]}]}', 3014623916);

INSERT INTO intermediates VALUES ('e-1.2_3', 1, 0, 1700000001.5, '{"default":1e-300}', 3962877152);
INSERT INTO intermediates VALUES ('e-1.2_3', 1, 1, 1700000002.5, '{"default":0.25,"loss":-0.0}', 3752005734);
INSERT INTO intermediates VALUES ('e-1.2_3', 5, 0, 1700000001.5, '{"default":0.5}', 865123271);
INSERT INTO intermediates VALUES ('e-1.2_3', 5, 1, 1700000002.5, '{"default":"-Infinity"}', 1087956170);

INSERT INTO schema_version VALUES (4, 1796084899.9966257);

INSERT INTO trials VALUES ('e-1.2_3', 0, 'running', NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, '2afb9b83f9314e5d029766197f539792', 550820477, '{}', NULL, NULL, NULL, NULL, NULL, '', NULL);
INSERT INTO trials VALUES ('e-1.2_3', 1, 'completed', 0.30000000000000004, 7, 3, 1700000000.123456, 1700000001.654321, 'cuda:1', NULL, NULL, 0, '70c8b4ddc1eaa8076e8d0c4464986a97', 2485052102, '{"a":null,"b":true,"c":3,"d":0.1,"e":"\u00fc\u0000","f":[1,["x",2.5]],"g":[]}', '{"default":0.30000000000000004,"flops":1e+300}', NULL, NULL, NULL, NULL, 'epoch 1
epoch 2 ✓
', 611114092);
INSERT INTO trials VALUES ('e-1.2_3', 2, 'failed', NULL, 0, 2, 2, NULL, 'cpu', NULL, NULL, 0, 'c191be23b58c0af1dc0be115f3efa694', 226507190, '{"op":"conv","width":2}', NULL, 'raised', 'ValueError: größer', NULL, 'Traceback ...
ValueError: größer', 'last words', 1489613101);
INSERT INTO trials VALUES ('e-1.2_3', 3, 'failed', NULL, 0, 3, 3, NULL, 'cpu', NULL, NULL, 0, '6f9ff0db381b262e05e247ddb4ffb744', 3467045968, '{"op":"conv","width":3}', NULL, 'vanished', 'killed by SIGKILL', NULL, NULL, '', NULL);
INSERT INTO trials VALUES ('e-1.2_3', 4, 'pruned', NULL, 0, 1, NULL, NULL, NULL, NULL, NULL, 0, '5a0aeb51ee03b5d6e1aee5f2423ff2a8', 2006849832, '{"op":"pruned"}', NULL, NULL, NULL, NULL, NULL, '', NULL);
INSERT INTO trials VALUES ('e-1.2_3', 5, 'pruned', NULL, 0, 4, NULL, NULL, NULL, '{"epochs":27,"gr\u00f6\u00dfe":0.1}', 1, 'Infinity', 'a57937395850741ecb1e57e9c2720aaf', 429786028, '{"op":"promoted"}', '{"default":"-Infinity"}', NULL, NULL, 'größer than the median
', NULL, '', NULL);
INSERT INTO trials VALUES ('e-1.2_3', 6, 'completed', 0.5, 0, 6, 6, 7, 'cpu', '{"epochs":1.0}', NULL, 0.30000000000000004, '901a3217f8a95c4b62c825c5b85347fb', 2485711985, '{"op":"conv","width":6}', '{"default":0.5}', NULL, NULL, NULL, NULL, '', NULL);

ALTER TABLE ONLY drawings
    ADD CONSTRAINT drawings_pkey PRIMARY KEY (experiment_id);

ALTER TABLE ONLY epochs
    ADD CONSTRAINT epochs_pkey PRIMARY KEY (experiment_id, number);

ALTER TABLE ONLY experiments
    ADD CONSTRAINT experiments_pkey PRIMARY KEY (id);

ALTER TABLE ONLY intermediates
    ADD CONSTRAINT intermediates_pkey PRIMARY KEY (experiment_id, number, step);

ALTER TABLE ONLY schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (version);

ALTER TABLE ONLY trials
    ADD CONSTRAINT trials_pkey PRIMARY KEY (experiment_id, number);

CREATE INDEX trials_by_end ON trials USING btree (experiment_id, finish_order);

CREATE INDEX trials_by_state ON trials USING btree (experiment_id, state, violation, metric);

ALTER TABLE ONLY drawings
    ADD CONSTRAINT drawings_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES experiments(id) ON DELETE CASCADE;

ALTER TABLE ONLY epochs
    ADD CONSTRAINT epochs_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES experiments(id) ON DELETE CASCADE;

ALTER TABLE ONLY intermediates
    ADD CONSTRAINT intermediates_experiment_id_number_fkey FOREIGN KEY (experiment_id, number) REFERENCES trials(experiment_id, number) ON DELETE CASCADE;

ALTER TABLE ONLY trials
    ADD CONSTRAINT trials_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES experiments(id) ON DELETE CASCADE;


