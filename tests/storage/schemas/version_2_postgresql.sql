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
    direction text NOT NULL,
    seed text NOT NULL,
    strategy text NOT NULL,
    created double precision NOT NULL,
    updated double precision NOT NULL,
    pid bigint,
    host text,
    version text NOT NULL,
    message text NOT NULL,
    stop_requested boolean NOT NULL,
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
    key text NOT NULL,
    checksum bigint,
    architecture text NOT NULL,
    metrics text,
    failure_kind text,
    failure_message text,
    traceback text,
    output text NOT NULL,
    texts_checksum bigint
);

INSERT INTO epochs VALUES ('e-1.2_3', 3, 1700000002.5, '{"default":0.5,"loss":1e-300}', '{"probabilities":{"op":{"\"conv\"":0.25,"\"skip \u00fc\"":0.75}}}', 1413626147);

INSERT INTO experiments VALUES ('e-1.2_3', 'Größe 🌍', 'stopped', 'minimize', '18446744073709551615', 'RegularizedEvolution(population_size=100)', 1700000000.25, 1796037794.4476614, 4194304, 'host', '0.0.1', 'stopped by Ctrl-C', true, '{"trial_concurrency":2,"budget":{"z":[1,2.5,null,true],"a":"\u00fc"}}', '{"choices":[{"label":"op","values":["a","b"]}]}', 2109442572);

INSERT INTO intermediates VALUES ('e-1.2_3', 1, 0, 1700000001.5, '{"default":1e-300}', 3962877152);
INSERT INTO intermediates VALUES ('e-1.2_3', 1, 1, 1700000002.5, '{"default":0.25,"loss":-0.0}', 3752005734);

INSERT INTO schema_version VALUES (2, 1796037794.4197109);

INSERT INTO trials VALUES ('e-1.2_3', 0, 'running', NULL, 0, NULL, NULL, NULL, NULL, '2afb9b83f9314e5d029766197f539792', 3238963914, '{}', NULL, NULL, NULL, NULL, '', NULL);
INSERT INTO trials VALUES ('e-1.2_3', 1, 'completed', 0.30000000000000004, 7, 3, 1700000000.123456, 1700000001.654321, 'cuda:1', '70c8b4ddc1eaa8076e8d0c4464986a97', 688344563, '{"a":null,"b":true,"c":3,"d":0.1,"e":"\u00fc\u0000","f":[1,["x",2.5]],"g":[]}', '{"default":0.30000000000000004,"flops":1e+300}', NULL, NULL, NULL, 'epoch 1
epoch 2 ✓
', 611114092);
INSERT INTO trials VALUES ('e-1.2_3', 2, 'failed', NULL, 0, 2, 2, NULL, 'cpu', 'c191be23b58c0af1dc0be115f3efa694', 4212328764, '{"op":"conv","width":2}', NULL, 'raised', 'ValueError: größer', 'Traceback ...
ValueError: größer', 'last words', 1489613101);
INSERT INTO trials VALUES ('e-1.2_3', 3, 'failed', NULL, 0, 3, 3, NULL, 'cpu', '6f9ff0db381b262e05e247ddb4ffb744', 1797993763, '{"op":"conv","width":3}', NULL, 'vanished', 'killed by SIGKILL', NULL, '', NULL);
INSERT INTO trials VALUES ('e-1.2_3', 4, 'pruned', NULL, 0, 1, NULL, NULL, NULL, '5a0aeb51ee03b5d6e1aee5f2423ff2a8', 408618021, '{"op":"pruned"}', NULL, NULL, NULL, NULL, '', NULL);

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

CREATE INDEX trials_by_state ON trials USING btree (experiment_id, state, metric);

ALTER TABLE ONLY epochs
    ADD CONSTRAINT epochs_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES experiments(id) ON DELETE CASCADE;

ALTER TABLE ONLY intermediates
    ADD CONSTRAINT intermediates_experiment_id_number_fkey FOREIGN KEY (experiment_id, number) REFERENCES trials(experiment_id, number) ON DELETE CASCADE;

ALTER TABLE ONLY trials
    ADD CONSTRAINT trials_experiment_id_fkey FOREIGN KEY (experiment_id) REFERENCES experiments(id) ON DELETE CASCADE;


