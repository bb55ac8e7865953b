"""Every table of money."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='LedgerAudit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('finished_at', models.DateTimeField()),
                ('is_clean', models.BooleanField()),
                ('findings', models.JSONField(default=dict)),
            ],
        ),
        migrations.CreateModel(
            name='LedgerScale',
            fields=[
                ('asset', models.CharField(max_length=3, primary_key=True, serialize=False)),
                ('units_per_currency_unit', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='LedgerAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('user.paid', 'Paid credit'), ('user.promo', 'Promotional credit'), ('user.reward', 'Reward credit'), ('user.debt', 'Debt'), ('ref.pending', 'Pending rewards'), ('ref.available', 'Available rewards'), ('ref.reserved', 'Rewards in withdrawal'), ('ref.debt', 'Reward debt'), ('cash.offline', 'Cash taken outside'), ('cash.stripe', 'Cash at Stripe'), ('cash.payout', 'Paid out'), ('tax.withheld', 'Tax withheld'), ('revenue.api', 'API revenue'), ('revenue.breakage', 'Expired credit'), ('revenue.payout_fee', 'Payout fees'), ('expense.referral', 'Referral rewards'), ('expense.promo', 'Promotions'), ('expense.payment_fee', 'Payment fees'), ('expense.loss', 'Losses'), ('equity.adjust', 'Adjustments')], max_length=24)),
                ('asset', models.CharField(default='USD', max_length=3)),
                ('sign', models.SmallIntegerField()),
                ('guarded', models.BooleanField()),
                ('live', models.BooleanField()),
                ('credits', models.BigIntegerField(default=0)),
                ('debits', models.BigIntegerField(default=0)),
                ('held', models.BigIntegerField(default=0)),
                ('owner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='ledger_accounts', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='LedgerFlow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('txn_kind', models.CharField(max_length=32)),
                ('debit_kind', models.CharField(max_length=24)),
                ('credit_kind', models.CharField(max_length=24)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('txn_kind', 'debit_kind', 'credit_kind'), name='ledger_flow_unique')],
            },
        ),
        migrations.CreateModel(
            name='LedgerTxn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=32)),
                ('idempotency_key', models.CharField(max_length=200, unique=True)),
                ('request_hash', models.CharField(max_length=64)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('source_type', models.CharField(blank=True, max_length=32)),
                ('source_id', models.CharField(blank=True, max_length=80)),
                ('policy_version', models.IntegerField(null=True)),
                ('effective_at', models.DateTimeField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('reverses', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reversed_by', to='billing.ledgertxn')),
            ],
        ),
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('asset', models.CharField(default='USD', max_length=3)),
                ('amount', models.BigIntegerField()),
                ('credit', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_entries', to='billing.ledgeraccount')),
                ('debit', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='debit_entries', to='billing.ledgeraccount')),
                ('txn', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='billing.ledgertxn')),
            ],
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('low_balance', 'The balance falls below my threshold'), ('limit_reached', 'A spend limit is used to 50, 80 or 100 %'), ('promo_expiring', 'Promotional credit expires within a week'), ('topup_receipt', 'Receipt of each top-up'), ('auto_topup_failed', 'An automatic top-up failed'), ('auto_topup_action', 'An automatic top-up needs my confirmation'), ('payment_disputed', 'A payment was disputed'), ('refund', 'A payment was refunded')], max_length=32)),
                ('key', models.CharField(max_length=200)),
                ('data', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField()),
                ('due_at', models.DateTimeField()),
                ('attempts', models.SmallIntegerField(default=0)),
                ('sent_at', models.DateTimeField(null=True)),
                ('dropped_because', models.CharField(blank=True, choices=[('unwanted', 'Switched off by the person'), ('gone', 'The account is closed'), ('failed', 'Given up after several attempts')], max_length=12)),
                ('last_error', models.CharField(blank=True, max_length=120)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notices', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='NoticeOff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('low_balance', 'The balance falls below my threshold'), ('limit_reached', 'A spend limit is used to 50, 80 or 100 %'), ('promo_expiring', 'Promotional credit expires within a week'), ('topup_receipt', 'Receipt of each top-up')], max_length=32)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices_off', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Price',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(max_length=80)),
                ('effective_from', models.DateTimeField()),
                ('input_nano_per_mtok', models.BigIntegerField(default=0)),
                ('cached_input_nano_per_mtok', models.BigIntegerField(null=True)),
                ('cache_write_nano_per_mtok', models.BigIntegerField(null=True)),
                ('output_nano_per_mtok', models.BigIntegerField(default=0)),
                ('reasoning_nano_per_mtok', models.BigIntegerField(null=True)),
                ('image_nano', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='RedeemCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=40, unique=True)),
                ('kind', models.CharField(choices=[('paid', 'Paid'), ('promo', 'Promotional')], max_length=8)),
                ('amount_nano', models.BigIntegerField()),
                ('uses_left', models.IntegerField(default=1)),
                ('expires_at', models.DateTimeField(null=True)),
                ('disabled_at', models.DateTimeField(null=True)),
                ('note', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Redemption',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('redeemed_at', models.DateTimeField()),
                ('code', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='redemptions', to='billing.redeemcode')),
                ('txn', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.ledgertxn')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='redemptions', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Usage',
            fields=[
                ('promo_nano', models.BigIntegerField(default=0)),
                ('reward_nano', models.BigIntegerField(default=0)),
                ('paid_nano', models.BigIntegerField(default=0)),
                ('request_id', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('model', models.CharField(max_length=80)),
                ('endpoint', models.CharField(max_length=24)),
                ('channel', models.CharField(blank=True, max_length=80)),
                ('stream', models.BooleanField(default=False)),
                ('status', models.CharField(choices=[('ok', 'Completed'), ('stopped', 'Client left'), ('failed', 'Failed'), ('expired', 'Interrupted')], max_length=8)),
                ('http_status', models.SmallIntegerField()),
                ('error_code', models.CharField(blank=True, max_length=64)),
                ('client_request_id', models.CharField(blank=True, max_length=128)),
                ('input_tokens', models.BigIntegerField(default=0)),
                ('cached_tokens', models.BigIntegerField(default=0)),
                ('cache_write_tokens', models.BigIntegerField(default=0)),
                ('output_tokens', models.BigIntegerField(default=0)),
                ('reasoning_tokens', models.BigIntegerField(default=0)),
                ('images', models.IntegerField(default=0)),
                ('image_class', models.CharField(blank=True, max_length=40)),
                ('source', models.CharField(choices=[('upstream', 'Reported by the provider'), ('counted', 'Counted by us'), ('none', 'Nothing delivered')], max_length=8)),
                ('held_nano', models.BigIntegerField(default=0)),
                ('charge_nano', models.BigIntegerField(default=0)),
                ('uncollected_nano', models.BigIntegerField(default=0)),
                ('refunded_nano', models.BigIntegerField(default=0)),
                ('not_charged_because', models.CharField(blank=True, max_length=40)),
                ('late', models.BooleanField(default=False)),
                ('started_at', models.DateTimeField()),
                ('settled_at', models.DateTimeField()),
                ('first_byte_ms', models.IntegerField(null=True)),
                ('total_ms', models.IntegerField(default=0)),
                ('key', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='usage', to='accounts.apikey')),
                ('price', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.price')),
                ('txn', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.ledgertxn')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='usage', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='UsageHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('promo_nano', models.BigIntegerField(default=0)),
                ('reward_nano', models.BigIntegerField(default=0)),
                ('paid_nano', models.BigIntegerField(default=0)),
                ('hour', models.DateTimeField()),
                ('model', models.CharField(max_length=80)),
                ('endpoint', models.CharField(max_length=24)),
                ('status', models.CharField(choices=[('ok', 'Completed'), ('stopped', 'Client left'), ('failed', 'Failed'), ('expired', 'Interrupted')], max_length=8)),
                ('calls', models.BigIntegerField(default=0)),
                ('input_tokens', models.BigIntegerField(default=0)),
                ('cached_tokens', models.BigIntegerField(default=0)),
                ('cache_write_tokens', models.BigIntegerField(default=0)),
                ('output_tokens', models.BigIntegerField(default=0)),
                ('reasoning_tokens', models.BigIntegerField(default=0)),
                ('images', models.BigIntegerField(default=0)),
                ('charge_nano', models.BigIntegerField(default=0)),
                ('uncollected_nano', models.BigIntegerField(default=0)),
                ('refunded_nano', models.BigIntegerField(default=0)),
                ('key', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.apikey')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('promo_nano', models.BigIntegerField(default=0)),
                ('reward_nano', models.BigIntegerField(default=0)),
                ('paid_nano', models.BigIntegerField(default=0)),
                ('request_id', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('amount', models.BigIntegerField()),
                ('state', models.CharField(choices=[('open', 'Open'), ('settled', 'Settled'), ('released', 'Released'), ('expired', 'Expired')], default='open', max_length=8)),
                ('context', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('key', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.apikey')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'open')), fields=['expires_at'], name='hold_open_deadline'), models.Index(condition=models.Q(('state', 'open')), fields=['user'], name='hold_open_user')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gte', 0), ('amount__lte', 9000000000000000000)), name='hold_amount'), models.CheckConstraint(condition=models.Q(('paid_nano__gte', 0), ('promo_nano__gte', 0), ('reward_nano__gte', 0), ('amount', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('promo_nano'), '+', models.F('reward_nano')), '+', models.F('paid_nano')))), name='hold_is_the_sum_of_its_parts'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('state', 'open')), models.Q(models.Q(('state', 'open'), _negated=True), ('closed_at__isnull', False)), _connector='OR'), name='hold_open_or_closed')],
            },
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.UniqueConstraint(fields=('kind', 'owner', 'asset'), name='ledger_account_unique_owned'),
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.UniqueConstraint(condition=models.Q(('owner', None)), fields=('kind', 'asset'), name='ledger_account_unique_system'),
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.CheckConstraint(condition=models.Q(('sign__in', [1, -1])), name='ledger_account_sign'),
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.CheckConstraint(condition=models.Q(('credits__gte', 0), ('credits__lte', 9000000000000000000), ('debits__gte', 0), ('debits__lte', 9000000000000000000), ('held__gte', 0), ('held__lte', 9000000000000000000)), name='ledger_account_bounds'),
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.CheckConstraint(condition=models.Q(('guarded', False), models.Q(('credits__gte', django.db.models.expressions.CombinedExpression(models.F('debits'), '+', models.F('held'))), ('sign', 1)), models.Q(('debits__gte', models.F('credits')), ('sign', -1)), _connector='OR'), name='ledger_account_never_negative'),
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('guarded', False), ('live', False), ('owner', None)), models.Q(('guarded', True), ('live', True), ('owner__isnull', False)), _connector='OR'), name='ledger_account_owned_is_live_and_guarded'),
        ),
        migrations.AddIndex(
            model_name='ledgertxn',
            index=models.Index(fields=['source_type', 'source_id'], name='ledger_txn_source'),
        ),
        migrations.AddIndex(
            model_name='ledgertxn',
            index=models.Index(fields=['kind', 'effective_at'], name='ledger_txn_kind_time'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gte', 1), ('amount__lte', 9000000000000000000)), name='ledger_entry_amount'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(('debit', models.F('credit')), _negated=True), name='ledger_entry_two_accounts'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('dropped_because', ''), ('sent_at', None)), fields=['due_at'], name='notice_due'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(fields=['user', '-id'], name='notice_of_person'),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.UniqueConstraint(fields=('key',), name='notice_once'),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.CheckConstraint(condition=models.Q(('sent_at', None), ('dropped_because', ''), _connector='OR'), name='notice_one_end'),
        ),
        migrations.AddConstraint(
            model_name='noticeoff',
            constraint=models.UniqueConstraint(fields=('user', 'kind'), name='notice_off_once'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.UniqueConstraint(fields=('model', 'effective_from'), name='price_one_per_moment'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(('input_nano_per_mtok__gte', 0), ('input_nano_per_mtok__lte', 9000000000000000000), ('output_nano_per_mtok__gte', 0), ('output_nano_per_mtok__lte', 9000000000000000000)), name='price_bounds'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('cached_input_nano_per_mtok', None), models.Q(('cached_input_nano_per_mtok__gte', 0), ('cached_input_nano_per_mtok__lte', 9000000000000000000)), _connector='OR'), models.Q(('cache_write_nano_per_mtok', None), models.Q(('cache_write_nano_per_mtok__gte', 0), ('cache_write_nano_per_mtok__lte', 9000000000000000000)), _connector='OR'), models.Q(('reasoning_nano_per_mtok', None), models.Q(('reasoning_nano_per_mtok__gte', 0), ('reasoning_nano_per_mtok__lte', 9000000000000000000)), _connector='OR')), name='price_narrow_bounds'),
        ),
        migrations.AddConstraint(
            model_name='redeemcode',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nano__gte', 1), ('amount_nano__lte', 9000000000000000000)), name='redeem_code_amount'),
        ),
        migrations.AddConstraint(
            model_name='redeemcode',
            constraint=models.CheckConstraint(condition=models.Q(('uses_left__gte', 0)), name='redeem_code_uses_left'),
        ),
        migrations.AddConstraint(
            model_name='redemption',
            constraint=models.UniqueConstraint(fields=('code', 'user'), name='redemption_once_per_person'),
        ),
        migrations.AddIndex(
            model_name='usage',
            index=models.Index(fields=['user', '-started_at', '-request_id'], name='usage_user_time'),
        ),
        migrations.AddIndex(
            model_name='usage',
            index=models.Index(fields=['key', '-started_at', '-request_id'], name='usage_key_time'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('charge_nano__gte', 0), ('charge_nano__lte', 9000000000000000000), ('uncollected_nano__gte', 0), ('uncollected_nano__lte', 9000000000000000000), ('held_nano__gte', 0), ('held_nano__lte', 9000000000000000000), ('input_tokens__gte', 0), ('input_tokens__lte', 9000000000000000000), ('output_tokens__gte', 0), ('output_tokens__lte', 9000000000000000000)), name='usage_bounds'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('cached_tokens__gte', 0), ('cached_tokens__lte', 9000000000000000000), ('cache_write_tokens__gte', 0), ('cache_write_tokens__lte', 9000000000000000000), ('reasoning_tokens__gte', 0), ('reasoning_tokens__lte', 9000000000000000000), ('images__gte', 0), ('images__lte', 9000000000000000000), ('total_ms__gte', 0), ('total_ms__lte', 9000000000000000000)), name='usage_units'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('paid_nano__gte', 0), ('promo_nano__gte', 0), ('reward_nano__gte', 0), ('charge_nano', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('promo_nano'), '+', models.F('reward_nano')), '+', models.F('paid_nano')))), name='usage_charge_is_the_sum_of_its_parts'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('charge_nano', 0), ('txn', None)), models.Q(('charge_nano__gt', 0), ('txn__isnull', False)), _connector='OR'), name='usage_charge_is_posted'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('refunded_nano__gte', 0), ('refunded_nano__lte', models.F('charge_nano'))), name='usage_refund_within_charge'),
        ),
        migrations.AddIndex(
            model_name='usagehour',
            index=models.Index(fields=['model', 'hour'], name='usage_hour_model'),
        ),
        migrations.AddConstraint(
            model_name='usagehour',
            constraint=models.UniqueConstraint(fields=('user', 'hour', 'key', 'model', 'endpoint', 'status'), name='usage_hour_unique'),
        ),
        migrations.AddConstraint(
            model_name='usagehour',
            constraint=models.CheckConstraint(condition=models.Q(('charge_nano__gte', 0), ('charge_nano__lte', 9000000000000000000), ('uncollected_nano__gte', 0), ('uncollected_nano__lte', 9000000000000000000), ('refunded_nano__gte', 0), ('refunded_nano__lte', 9000000000000000000)), name='usage_hour_bounds'),
        ),
        migrations.AddConstraint(
            model_name='usagehour',
            constraint=models.CheckConstraint(condition=models.Q(('paid_nano__gte', 0), ('promo_nano__gte', 0), ('reward_nano__gte', 0), ('charge_nano', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('promo_nano'), '+', models.F('reward_nano')), '+', models.F('paid_nano')))), name='usage_hour_charge_is_the_sum_of_its_parts'),
        ),
    ]
