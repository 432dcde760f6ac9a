-- Section 12: an e-commerce schema.
\pset null '(null)'
\set VERBOSITY verbose
\set QUIET off
set client_min_messages = warning;
set timezone = 'UTC';
set datestyle = 'ISO, MDY';
drop table if exists order_items, orders, products, categories, users cascade;
CREATE TABLE users (
    user_id SERIAL PRIMARY KEY,
    email VARCHAR(255) UNIQUE NOT NULL,
    first_name VARCHAR(100) NOT NULL,
    last_name VARCHAR(100) NOT NULL,
    created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW()
);

CREATE TABLE categories (
    category_id SERIAL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    parent_id INTEGER REFERENCES categories(category_id),
    created_at TIMESTAMP DEFAULT NOW()
);

CREATE TABLE products (
    product_id SERIAL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    price DECIMAL(10,2) NOT NULL,
    stock_quantity INTEGER DEFAULT 0,
    category_id INTEGER REFERENCES categories(category_id),
    created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW()
);

CREATE TABLE orders (
    order_id SERIAL PRIMARY KEY,
    user_id INTEGER REFERENCES users(user_id),
    total_amount DECIMAL(10,2) NOT NULL,
    status VARCHAR(50) DEFAULT 'pending',
    shipping_address TEXT,
    created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW()
);

CREATE TABLE order_items (
    order_id INTEGER REFERENCES orders(order_id),
    product_id INTEGER REFERENCES products(product_id),
    quantity INTEGER NOT NULL,
    unit_price DECIMAL(10,2) NOT NULL,
    total_price DECIMAL(10,2) NOT NULL,
    PRIMARY KEY (order_id, product_id)
);                                                                                              -- [V]
\d order_items
\d categories
insert into users (email, first_name, last_name) values ('john@example.com', 'John', 'Doe'), ('alice@example.com', 'Alice', 'Smith'); -- [+]
insert into categories (name, parent_id) values ('Electronics', null), ('Computers', 1), ('Laptops', 2); -- [+] self reference
insert into products (name, price, stock_quantity, category_id) values ('Laptop', 999.99, 5, 3), ('Mouse', 29.99, 50, 2); -- [+]
insert into orders (user_id, total_amount) values (1, 1029.98) returning order_id, status;      -- [+]
insert into order_items values (1, 1, 1, 999.99, 999.99), (1, 2, 1, 29.99, 29.99);              -- [+]
insert into order_items values (1, 2, 1, 29.99, 29.99);                                         -- [+] 23505
with recursive tree as (select category_id, name, name::text as path from categories where parent_id is null union all select c.category_id, c.name, t.path || ' > ' || c.name from categories c join tree t on c.parent_id = t.category_id) select path from tree order by 1; -- [+]
select u.email, sum(oi.total_price) from users u left join orders o using (user_id) left join order_items oi using (order_id) group by u.email order by 1; -- [+]
prepare sh as SELECT * FROM users WHERE user_id = $1;                                           -- [V] %s -> $1
execute sh(1500);
deallocate all;
