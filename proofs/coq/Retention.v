(* Retention along a chain of students.

   Through one channel the trait of generation k is a moment  r_k = sum_i c_i a_i^k  of the modes: c_i >= 0 is the square
   of the teacher's displacement along mode i, and a_i = 1 - (1 - alpha lambda_i)^s what a student of s steps keeps of
   it, between 0 and 1 for alpha lambda_i <= 1.  Moments are log-convex,  r_k r_(k+2) >= r_(k+1)^2,  so the share
   r_(k+1)/r_k that one generation keeps of the one before never falls; it is at most the largest a_i, and comes as close
   to any a_j with c_j > 0 as one likes, or exceeds it.

   For students of one step the same is said without an eigenbasis: of <K^j u, u> with K = alpha G the operator that
   leads from one generation of Generations.v to the next. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep Preconditioner Generations.
Open Scope R_scope.

(* r_k r_(k+2) >= r_(k+1)^2 with r >= 0 from the first on: what follows for the ratios *)
Section Ratios.
Variable r : nat -> R.
Hypothesis Hr : forall k, 0 <= r k.
Hypothesis Hconvex : forall k, r (S k) * r (S k) <= r k * r (S (S k)).

Lemma ratios_positive : 0 < r 1%nat -> forall k, 0 < r k.
Proof.
  intros H1.
  assert (Hall : forall k, 0 < r k /\ 0 < r (S k)).
  { induction k as [|k [IH0 IH1]].
    - split; [|exact H1]. destruct (Rle_lt_or_eq_dec _ _ (Hr 0)) as [Hlt|Heq]; [exact Hlt|].
      assert (H := Hconvex 0). rewrite <- Heq in H. assert (0 < r 1%nat * r 1%nat) by nra. lra.
    - split; [exact IH1|]. destruct (Rle_lt_or_eq_dec _ _ (Hr (S (S k)))) as [Hlt|Heq]; [exact Hlt|].
      assert (H := Hconvex k). rewrite <- Heq in H. assert (0 < r (S k) * r (S k)) by nra. lra. }
  intros k. apply Hall.
Qed.

Lemma ratios_rise : 0 < r 1%nat -> forall k, r (S k) / r k <= r (S (S k)) / r (S k).
Proof.
  intros H1 k. assert (P := ratios_positive H1 k). assert (Q := ratios_positive H1 (S k)).
  apply (Rmult_le_reg_r (r k * r (S k))); [nra|].
  replace (r (S k) / r k * (r k * r (S k))) with (r (S k) * r (S k)) by (field; lra).
  replace (r (S (S k)) / r (S k) * (r k * r (S k))) with (r k * r (S (S k))) by (field; lra).
  apply Hconvex.
Qed.

Lemma ratios_rise_far : 0 < r 1%nat -> forall k l, (k <= l)%nat -> r (S k) / r k <= r (S l) / r l.
Proof.
  intros H1 k l Hkl. induction Hkl as [|l Hkl IH]; [lra|].
  apply (Rle_trans _ _ _ IH), ratios_rise, H1.
Qed.
End Ratios.

(* --- moments of finitely many modes --- *)

Section Moments.
Variables (n : nat) (c a : nat -> R).
Hypothesis Hc : forall i, (i < n)%nat -> 0 <= c i.
Hypothesis Ha : forall i, (i < n)%nat -> 0 <= a i.

Definition moment (k : nat) : R := rsum n (fun i => c i * a i ^ k).

Lemma weight_nonneg k i : (i < n)%nat -> 0 <= c i * a i ^ k.
Proof. intros Hi. apply Rmult_le_pos; [apply Hc, Hi|]. apply pow_le, Ha, Hi. Qed.

Lemma moment_nonneg k : 0 <= moment k.
Proof. apply rsum_nonneg. intros i Hi. apply weight_nonneg, Hi. Qed.

(* sum_i c_i a_i^k (a_i - t)^2 *)
Lemma moment_square k t : moment (S (S k)) - 2 * t * moment (S k) + t * t * moment k =
  rsum n (fun i => c i * a i ^ k * ((a i - t) * (a i - t))).
Proof.
  unfold moment. rewrite <- !rsum_scal, <- rsum_minus, <- rsum_plus. apply rsum_ext. intros i _. simpl. ring.
Qed.

Theorem moments_log_convex k : moment (S k) * moment (S k) <= moment k * moment (S (S k)).
Proof.
  assert (Hsq : forall t, 0 <= moment (S (S k)) - 2 * t * moment (S k) + t * t * moment k).
  { intros t. rewrite moment_square. apply rsum_nonneg. intros i Hi.
    apply Rmult_le_pos; [apply weight_nonneg, Hi|apply Rle_0_sqr]. }
  destruct (Rle_lt_or_eq_dec _ _ (moment_nonneg k)) as [Hk|Hk].
  - assert (H := Hsq (moment (S k) / moment k)).
    apply (Rmult_le_compat_l (moment k)) in H; [rewrite Rmult_0_r in H|lra].
    replace (moment k * _) with (moment k * moment (S (S k)) - moment (S k) * moment (S k)) in H by (field; lra). lra.
  - destruct (Rle_lt_or_eq_dec _ _ (moment_nonneg (S k))) as [H1|H1]; [exfalso|rewrite <- H1; nra].
    assert (H := Hsq ((moment (S (S k)) + 1) / (2 * moment (S k)))). rewrite <- Hk in H.
    replace (moment (S (S k)) - _ + _) with (-1) in H by (field; lra). lra.
Qed.

(* What one generation keeps of the one before never falls, whatever the modes. *)
Theorem retention_never_falls : 0 < moment 1 -> forall k l, (k <= l)%nat ->
  0 < moment k /\ moment (S k) / moment k <= moment (S l) / moment l.
Proof.
  intros H1 k l Hkl. split.
  - apply (ratios_positive moment moment_nonneg moments_log_convex H1).
  - apply (ratios_rise_far moment moment_nonneg moments_log_convex H1), Hkl.
Qed.

(* It is at most the largest factor ... *)
Theorem retention_at_most most k : (forall i, (i < n)%nat -> a i <= most) -> 0 < moment k ->
  moment (S k) / moment k <= most.
Proof.
  intros Hmost Hk. apply (Rmult_le_reg_r (moment k)); [exact Hk|].
  replace (moment (S k) / moment k * moment k) with (moment (S k)) by (field; lra).
  unfold moment. rewrite <- rsum_scal. apply rsum_le. intros i Hi.
  replace (c i * a i ^ S k) with (a i * (c i * a i ^ k)) by (simpl; ring).
  apply Rmult_le_compat_r; [apply weight_nonneg, Hi|apply Hmost, Hi].
Qed.

(* ... and in the end above everything below a factor that the teacher's direction has a part in. *)
Theorem retention_tends_to_the_largest j low : (j < n)%nat -> 0 < c j -> 0 < low < a j ->
  exists k0, forall k, (k0 <= k)%nat -> low < moment (S k) / moment k.
Proof.
  intros Hj Hcj [Hlow Hlt].
  assert (Hterm : forall k, c j * a j ^ k <= moment k).
  { intros k. apply (rsum_term n (fun i => c i * a i ^ k) j); [|exact Hj]. intros i Hi. apply weight_nonneg, Hi. }
  assert (H1 : 0 < moment 1).
  { apply (Rlt_le_trans _ (c j * a j ^ 1)); [|apply Hterm]. simpl. nra. }
  assert (Hpos := ratios_positive moment moment_nonneg moments_log_convex H1).
  assert (Hex : exists k, low < moment (S k) / moment k).
  { destruct (Pow_x_infinity (a j / low)) with (b := moment 0 / c j + 1) as [N HN].
    - assert (1 < a j / low).
      { apply (Rmult_lt_reg_r low); [exact Hlow|]. replace (a j / low * low) with (a j) by (field; lra). lra. }
      rewrite Rabs_pos_eq; lra.
    - apply Classical_Prop.NNPP. intros Hno.
      assert (Hall : forall k, moment (S k) <= low * moment k).
      { intros k. assert (Hk := Hpos k). destruct (Rle_or_lt (moment (S k)) (low * moment k)) as [H|H]; [exact H|].
        exfalso. apply Hno. exists k. apply (Rmult_lt_reg_r (moment k)); [exact Hk|].
        replace (moment (S k) / moment k * moment k) with (moment (S k)) by (field; lra). exact H. }
      assert (Hpow : forall k, moment k <= low ^ k * moment 0).
      { induction k as [|k IH]; [simpl; lra|]. apply (Rle_trans _ _ _ (Hall k)). simpl.
        rewrite Rmult_assoc. apply Rmult_le_compat_l; lra. }
      assert (H := HN N (le_n N)).
      assert (Hl : 0 < low ^ N) by (apply pow_lt, Hlow).
      rewrite Rabs_pos_eq in H.
      2:{ apply pow_le. apply Rmult_le_pos; [lra|]. left. apply Rinv_0_lt_compat, Hlow. }
      assert (E : (a j / low) ^ N = a j ^ N / low ^ N).
      { unfold Rdiv. rewrite Rpow_mult_distr, pow_inv. reflexivity. }
      assert (B : c j * a j ^ N <= low ^ N * moment 0) by (apply (Rle_trans _ _ _ (Hterm N)), Hpow).
      assert (C : a j ^ N / low ^ N <= moment 0 / c j).
      { apply (Rmult_le_reg_r (c j * low ^ N)); [nra|].
        replace (a j ^ N / low ^ N * (c j * low ^ N)) with (c j * a j ^ N) by (field; lra).
        replace (moment 0 / c j * (c j * low ^ N)) with (low ^ N * moment 0) by (field; lra). exact B. }
      rewrite E in H. lra. }
  destruct Hex as [k0 Hk0]. exists k0. intros k Hk. apply (Rlt_le_trans _ _ _ Hk0).
  apply (ratios_rise_far moment moment_nonneg moments_log_convex H1), Hk.
Qed.
End Moments.

(* What s steps keep of a mode lies between 0 and 1 up to the rate 1/lambda, and all of it is kept in the end. *)
Theorem mode_factor x s : 0 <= x <= 1 -> 0 <= 1 - (1 - x) ^ s <= 1.
Proof.
  intros [H0 H1]. assert (L := pow_le (1 - x) s ltac:(lra)). assert (U := pow_incr (1 - x) 1 s ltac:(lra)).
  rewrite pow1 in U. lra.
Qed.

(* --- the operator from one generation to the next, without an eigenbasis --- *)

Section Operators.
Variables (k : nat) (K : vec -> vec).
Hypothesis Ksym : symmetric k K.
Hypothesis Kpsd : forall h, 0 <= dot k (K h) h.

Lemma power_log_convex u j :
  dot k (power K (S j) u) u * dot k (power K (S j) u) u <=
  dot k (power K j u) u * dot k (power K (S (S j)) u) u.
Proof.
  set (p := dot k (power K j u) u). set (q := dot k (power K (S j) u) u).
  set (s := dot k (power K (S (S j)) u) u).
  assert (Q : dot k (power K j u) (K u) = q).
  { unfold q. replace (S j) with (j + 1)%nat by lia. rewrite power_shift by assumption. reflexivity. }
  assert (R : dot k (power K j (K u)) (K u) = s).
  { unfold s. rewrite power_in. change (K u) with (power K 1 u) at 1. rewrite <- power_shift by assumption.
    replace (S j + 1)%nat with (S (S j)) by lia. reflexivity. }
  assert (Hsq : forall t, 0 <= p + 2 * t * q + t * t * s).
  { intros t. assert (P := power_nonneg k K Ksym Kpsd j (fun i => u i + t * K u i)).
    rewrite power_quadratic, Q, R in P by assumption. exact P. }
  assert (P0 := power_nonneg k K Ksym Kpsd j u). assert (S0 := power_nonneg k K Ksym Kpsd (S (S j)) u).
  fold p in P0. fold s in S0.
  destruct (Rle_lt_or_eq_dec _ _ S0) as [Hs|Hs].
  - assert (H := Hsq (- q / s)). apply (Rmult_le_compat_l s) in H; [rewrite Rmult_0_r in H|lra].
    replace (s * _) with (p * s - q * q) in H by (field; lra). lra.
  - destruct (Req_dec q 0) as [Hq|Hq]; [rewrite Hq; nra|exfalso].
    assert (H := Hsq (- (p + 1) / (2 * q))). rewrite <- Hs in H.
    replace (p + _ + _) with (-1) in H by (field; lra). lra.
Qed.
End Operators.

(* One channel, students of one step each: what generation j + 1 has of the trait, to first order in the size of the
   teacher's update, over what generation j has, never falls. *)
Theorem one_step_retention_never_falls k n m L a H w f th0 alpha u :
  compatible n L a H -> (forall x, (x < m)%nat -> 0 <= w x) ->
  (forall z i j, (i < n)%nat -> (j < n)%nat -> H z i j = H z j i) ->
  0 < alpha -> 0 < ggn_form k n m H w f th0 u ->
  let r := fun j => dot k (power (transfer k n m H w f th0 alpha) j u) u in
  forall i j, (i <= j)%nat -> 0 < r i /\ r (S i) / r i <= r (S j) / r j.
Proof.
  intros HL Hw Hsym Halpha Hq r i j Hij.
  set (K := transfer k n m H w f th0 alpha).
  assert (Ksym : symmetric k K) by (unfold K; eapply transfer_symmetric; eassumption).
  assert (Kpsd : forall h, 0 <= dot k (K h) h) by (intros h; unfold K; eapply transfer_psd; eassumption).
  assert (Hr : forall l, 0 <= r l) by (intros l; apply power_nonneg; assumption).
  assert (Hconvex : forall l, r (S l) * r (S l) <= r l * r (S (S l))).
  { intros l. apply power_log_convex; assumption. }
  assert (H1 : 0 < r 1%nat).
  { unfold r. cbn [power]. rewrite transfer_form. apply Rmult_lt_0_compat; assumption. }
  split; [apply (ratios_positive r Hr Hconvex H1)|apply (ratios_rise_far r Hr Hconvex H1), Hij].
Qed.
