-- Section 15: one table in three.
-- Left out, as the server doesn't have it yet: the column of type inet.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists users_activity, users_profile, users_core cascade;
CREATE TABLE users_core (
    user_id SERIAL PRIMARY KEY,
    email VARCHAR(255) NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    created_at TIMESTAMP DEFAULT NOW()
);

CREATE TABLE users_profile (
    user_id INTEGER PRIMARY KEY REFERENCES users_core(user_id),
    first_name VARCHAR(100),
    last_name VARCHAR(100),
    bio TEXT,
    avatar_url VARCHAR(500),
    preferences JSONB
);

CREATE TABLE users_activity (
    user_id INTEGER PRIMARY KEY REFERENCES users_core(user_id),
    last_login TIMESTAMP,
    login_count INTEGER DEFAULT 0,
    session_data JSONB
);                                                                                              -- [V]
insert into users_core (email, password_hash) values ('a@x', 'h');
insert into users_profile values (1, 'A', 'B', null, null, '{"theme": "dark", "notifications": true}');
insert into users_activity values (1, '2025-09-10 14:30', 47, '{}');
select c.email, p.preferences->>'theme' as theme from users_core c join users_profile p using (user_id) join users_activity a using (user_id);
