(* Ranges, variances and covariances, and Popoviciu's inequality.
   For numbers a 0, ..., a (n-1) let R(a) = max a - min a, and let p be probabilities on the indices
   0, ..., n-1 (p i >= 0, of sum 1).  For every n:
     Popoviciu's inequality        Var_p(a) <= R(a)^2 / 4;
     its form for two variables    |Cov_p(a,b)| <= R(a) R(b) / 4;
     a mixed third moment          |E_p[(a - E_p a)^2 (b - E_p b)]| <= R(a)^2 R(b) / 4.
   All three come from one remark: a covariance does not change if one of the variables is shifted, and no a i
   is further than R(a) / 2 from the midpoint (max a + min a) / 2.  "R(a) <= r" is written as a property,
   range_le n a r, so that any upper bound of the range will do. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses.
Open Scope R_scope.

(* max a - min a <= r *)
Definition range_le (n : nat) (a : vec) (r : R) : Prop :=
  forall i j, (i < n)%nat -> (j < n)%nat -> a i - a j <= r.

(* covariance, and the mean of (a - mean a)^2 (b - mean b), under weights p *)
Definition covariance (n : nat) (p a b : vec) : R :=
  rsum n (fun i => p i * ((a i - mean n p a) * (b i - mean n p b))).
Definition third_moment (n : nat) (p a b : vec) : R :=
  rsum n (fun i => p i * ((a i - mean n p a) ^ 2 * (b i - mean n p b))).

(* ---- means and covariances under weights p of sum 1 ---- *)
Lemma mean_plus n p a b : mean n p (fun i => a i + b i) = mean n p a + mean n p b.
Proof. unfold mean. rewrite <- rsum_plus. apply rsum_ext. intros; ring. Qed.
Lemma mean_minus n p a b : mean n p (fun i => a i - b i) = mean n p a - mean n p b.
Proof. unfold mean. rewrite <- rsum_minus. apply rsum_ext. intros; ring. Qed.
Lemma mean_scal n p s a : mean n p (fun i => s * a i) = s * mean n p a.
Proof. unfold mean. rewrite <- rsum_scal. apply rsum_ext. intros; ring. Qed.
Lemma mean_ext n p a b : (forall i, (i < n)%nat -> a i = b i) -> mean n p a = mean n p b.
Proof. intros H. apply rsum_ext. intros i Hi. rewrite (H i Hi). reflexivity. Qed.
Lemma mean_const_weights n p s : rsum n p = 1 -> mean n p (fun _ => s) = s.
Proof. intros H. unfold mean. rewrite rsum_scal_r, H. ring. Qed.
Lemma mean_le n p a b : (forall i, (i < n)%nat -> 0 <= p i) -> (forall i, (i < n)%nat -> a i <= b i) ->
  mean n p a <= mean n p b.
Proof. intros Hp H. apply rsum_le. intros i Hi. apply Rmult_le_compat_l; auto. Qed.
Lemma mean_Rabs n p a : (forall i, (i < n)%nat -> 0 <= p i) ->
  Rabs (mean n p a) <= mean n p (fun i => Rabs (a i)).
Proof.
  intros Hp. unfold mean. eapply Rle_trans; [apply rsum_Rabs|]. apply rsum_le. intros i Hi.
  rewrite Rabs_mult, (Rabs_pos_eq (p i)) by auto. lra.
Qed.
(* the first factor may be taken from any origin s *)
Lemma covariance_shift n p s a b : rsum n p = 1 ->
  mean n p (fun i => (a i - s) * (b i - mean n p b)) = covariance n p a b.
Proof.
  intros Hp. symmetry.
  change (covariance n p a b) with (mean n p (fun i => (a i - mean n p a) * (b i - mean n p b))).
  rewrite (mean_ext n p _ (fun i => (a i - s) * (b i - mean n p b) - (mean n p a - s) * (b i - mean n p b)))
    by (intros; ring).
  rewrite mean_minus, mean_scal, mean_minus, (mean_const_weights n p (mean n p b) Hp). ring.
Qed.
Lemma covariance_product n p a b : rsum n p = 1 ->
  covariance n p a b = mean n p (fun i => a i * b i) - mean n p a * mean n p b.
Proof.
  intros Hp. rewrite <- (covariance_shift n p 0 a b Hp).
  rewrite (mean_ext n p _ (fun i => a i * b i - mean n p b * a i)) by (intros; ring).
  rewrite mean_minus, mean_scal. ring.
Qed.
Lemma third_moment_covariance n p a b : rsum n p = 1 ->
  third_moment n p a b = covariance n p (fun i => (a i - mean n p a) ^ 2) b.
Proof.
  intros Hp. rewrite <- (covariance_shift n p 0 _ b Hp). apply rsum_ext. intros; ring.
Qed.
Lemma variance_covariance n p a : variance n p a = covariance n p a a.
Proof. reflexivity. Qed.

(* n >= 1 numbers within r of each other lie within r/2 of their midpoint *)
Lemma max_exists n (a : vec) : (0 < n)%nat -> exists j, (j < n)%nat /\ forall i, (i < n)%nat -> a i <= a j.
Proof.
  induction n as [|n IH]; intros Hn; [lia|].
  destruct (Nat.eq_dec n 0) as [->|Hn0].
  - exists 0%nat. split; [lia|]. intros i Hi. replace i with 0%nat by lia. lra.
  - destruct IH as [j [Hj Hm]]; [lia|]. destruct (Rle_lt_dec (a n) (a j)) as [H|H].
    + exists j. split; [lia|]. intros i Hi. destruct (Nat.eq_dec i n) as [->|Hin]; [exact H|apply Hm; lia].
    + exists n. split; [lia|]. intros i Hi. destruct (Nat.eq_dec i n) as [->|Hin]; [lra|].
      specialize (Hm i ltac:(lia)). lra.
Qed.
Lemma midpoint_exists n a r : (0 < n)%nat -> range_le n a r ->
  exists s, forall i, (i < n)%nat -> Rabs (a i - s) <= r / 2.
Proof.
  intros Hn Hr. destruct (max_exists n a Hn) as [j [Hj Mj]].
  destruct (max_exists n (fun i => - a i) Hn) as [l [Hl Ml]].
  exists ((a j + a l) / 2). intros i Hi. specialize (Hr j l Hj Hl).
  specialize (Mj i Hi). specialize (Ml i Hi).
  cbv beta in Ml. apply Rabs_le. lra.
Qed.
Lemma range_nonneg n a r : (0 < n)%nat -> range_le n a r -> 0 <= r.
Proof. intros Hn Hr. specialize (Hr 0%nat 0%nat Hn Hn). lra. Qed.

Section Popoviciu.
Variables (n : nat) (p : vec).
Hypothesis Hp : forall i, (i < n)%nat -> 0 <= p i.
Hypothesis Hp1 : rsum n p = 1.

Lemma outputs_exist : (0 < n)%nat.
Proof. destruct n; [simpl in Hp1; lra|lia]. Qed.
Lemma variance_nonneg_weights a : 0 <= variance n p a.
Proof. apply rsum_nonneg. intros i Hi. apply Rmult_le_pos; [auto|]. apply Rle_0_sqr. Qed.

(* Popoviciu's inequality: under any probabilities, numbers of range at most r have variance at most
   r^2 / 4. *)
Theorem popoviciu a r : range_le n a r -> variance n p a <= r ^ 2 / 4.
Proof.
  intros Hr. destruct (midpoint_exists n a r outputs_exist Hr) as [s Hs].
  assert (E : variance n p a = mean n p (fun i => (a i - s) ^ 2) - (mean n p a - s) ^ 2).
  { rewrite variance_covariance, (covariance_product n p a a Hp1).
    rewrite (mean_ext n p (fun i => (a i - s) ^ 2) (fun i => a i * a i - 2 * s * a i + s ^ 2))
      by (intros; ring).
    rewrite mean_plus, mean_minus, mean_scal, (mean_const_weights n p (s ^ 2) Hp1). ring. }
  assert (L : mean n p (fun i => (a i - s) ^ 2) <= r ^ 2 / 4).
  { rewrite <- (mean_const_weights n p (r ^ 2 / 4) Hp1). apply mean_le; [exact Hp|]. intros i Hi.
    specialize (Hs i Hi). apply Rabs_le_between in Hs. nra. }
  pose proof (pow2_ge_0 (mean n p a - s)). lra.
Qed.

(* the mean deviation is at most R / 2 *)
Lemma mean_deviation a r : range_le n a r -> mean n p (fun i => Rabs (a i - mean n p a)) <= r / 2.
Proof.
  intros Hr. set (d := fun i => Rabs (a i - mean n p a)).
  assert (E : variance n p d = variance n p a - mean n p d ^ 2).
  { rewrite variance_covariance, (covariance_product n p d d Hp1).
    rewrite (mean_ext n p (fun i => d i * d i) (fun i => (a i - mean n p a) * (a i - mean n p a))).
    - change (variance n p a) with (mean n p (fun i => (a i - mean n p a) * (a i - mean n p a))). ring.
    - intros i Hi. unfold d. rewrite <- Rabs_mult. apply Rabs_pos_eq, Rle_0_sqr. }
  pose proof (variance_nonneg_weights d) as H0. pose proof (popoviciu a r Hr) as H1.
  pose proof (range_nonneg n a r outputs_exist Hr) as H2.
  apply Rnot_lt_le. intros H3. nra.
Qed.

(* |Cov(a,b)| <= R(a) R(b) / 4 *)
Lemma covariance_range a b r s : range_le n a r -> range_le n b s -> Rabs (covariance n p a b) <= r * s / 4.
Proof.
  intros Hr Hs. destruct (midpoint_exists n a r outputs_exist Hr) as [z Hz].
  rewrite <- (covariance_shift n p z a b Hp1).
  eapply Rle_trans; [apply mean_Rabs; exact Hp|].
  apply Rle_trans with (mean n p (fun i => r / 2 * Rabs (b i - mean n p b))).
  - apply mean_le; [exact Hp|]. intros i Hi. rewrite Rabs_mult.
    apply Rmult_le_compat_r; [apply Rabs_pos|auto].
  - rewrite mean_scal. pose proof (mean_deviation b s Hs) as H1.
    pose proof (range_nonneg n a r outputs_exist Hr) as H2. nra.
Qed.

(* the mean lies between the values *)
Lemma mean_within a r i : range_le n a r -> (i < n)%nat -> Rabs (a i - mean n p a) <= r.
Proof.
  intros Hr Hi. apply Rabs_le. split.
  - assert (X : mean n p a <= mean n p (fun _ => a i + r));
      [|rewrite mean_const_weights in X by exact Hp1; lra].
    apply mean_le; [exact Hp|]. intros j Hj. specialize (Hr j i Hj Hi). lra.
  - assert (X : mean n p (fun _ => a i - r) <= mean n p a);
      [|rewrite mean_const_weights in X by exact Hp1; lra].
    apply mean_le; [exact Hp|]. intros j Hj. specialize (Hr i j Hi Hj). lra.
Qed.

(* |E (a - E a)^2 (b - E b)| <= R(a)^2 R(b) / 4 *)
Lemma third_moment_range a b r s : range_le n a r -> range_le n b s ->
  Rabs (third_moment n p a b) <= r ^ 2 * s / 4.
Proof.
  intros Hr Hs. rewrite (third_moment_covariance n p a b Hp1). apply covariance_range; [|exact Hs].
  intros i j Hi Hj. pose proof (mean_within a r i Hr Hi) as H1.
  apply Rabs_le_between in H1. pose proof (pow2_ge_0 (a j - mean n p a)). nra.
Qed.
End Popoviciu.
